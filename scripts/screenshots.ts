import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { launchBrowser } from '../test/support/browser.ts'
import { buildConsole } from './build-console.ts'
import { type Lived, live } from './screenshots-life.ts'

// Pictures of every page of the console, light and dark, as docs/images/console-….png: `npm run screenshots`. It starts what
// `npm start` starts, in a folder of its own, signs in by the link that is printed, and has something happen.

const root = fileURLToPath(new URL('..', import.meta.url))
const images = join(root, 'docs', 'images')
const folder = mkdtempSync(join(tmpdir(), 'maskline-pictures-'))
const SIZE = { width: 1280, height: 900 }
/** A phone, whole. */
const TALL = { width: 1280, height: 1010 }
const NARROW = { width: 390, height: 844 }

await buildConsole()
const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli.ts', 'dev'], {
  cwd: root,
  env: {
    ...process.env,
    ...{ MASKLINE_PORT: '0', MASKLINE_DATA_DIR: folder, MASKLINE_LOG_LEVEL: 'error' },
    // The pool is filled faster than anybody would.
    MASKLINE_RATE_LIMIT: '0',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
})
const ended = new Promise((resolve) => child.once('exit', resolve))
try {
  const printed = await readUntil('Ctrl-C')
  const read = (pattern: RegExp) => pattern.exec(printed)?.[1] ?? assert.fail(`nothing like ${pattern} was printed`)
  const lived = await live(read(/base URL +(\S+)/), `${read(/account SID +(\S+)/)}:${read(/auth token +(\S+)/)}`)
  await takeAll(read(/(http\S+#link=\S+)/), lived)
} finally {
  child.kill('SIGTERM')
  await ended
  rmSync(folder, { recursive: true, force: true })
}

async function readUntil(last: string): Promise<string> {
  let printed = ''
  for await (const chunk of child.stdout) {
    printed += chunk
    if (printed.includes(last)) return printed
  }
  throw new Error(`it ended before it was ready:\n${printed}`)
}

async function takeAll(link: string, lived: Lived) {
  mkdirSync(images, { recursive: true })
  const browser = await launchBrowser()
  try {
    const context = await browser.newContext({ viewport: SIZE, locale: 'en-GB', reducedMotion: 'reduce' })
    const page = await context.newPage()
    await page.goto(link)
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      for (const [name, path] of Object.entries(pagesOf(lived))) {
        await open(page, link, path)
        await page.setViewportSize(name === 'phones' ? TALL : SIZE)
        if (name === 'phones') await lived.useThePhones(page)
        if (name === 'search') await search(page, lived.number)
        await take(page, `console-${name}-${colorScheme}`)
      }
    }
    await page.setViewportSize(NARROW)
    await open(page, link, '/phones')
    await take(page, 'console-narrow-dark')
    const stranger = await browser.newPage({ viewport: SIZE, locale: 'en-GB' })
    for (const colorScheme of ['light', 'dark'] as const) {
      await stranger.emulateMedia({ colorScheme })
      await stranger.goto(link.replace(/#.*/, ''))
      await stranger.getByRole('button', { name: 'Sign in' }).waitFor()
      await take(stranger, `console-sign-in-${colorScheme}`)
    }
  } finally {
    await browser.close()
  }
}

function pagesOf({ service_sid, session_sid, interaction_sid }: Lived) {
  return {
    phones: '/phones',
    sessions: '/sessions',
    session: `/sessions/${service_sid}/${session_sid}`,
    traffic: '/traffic',
    why: `/traffic/${interaction_sid}`,
    search: '/search',
    numbers: '/numbers',
    callbacks: '/callbacks',
    events: '/events',
    services: '/services',
    service: `/services/${service_sid}`,
    keys: '/keys',
    users: '/users',
    accounts: '/accounts',
    audit: '/audit',
    profile: '/profile',
  }
}

async function open(page: Page, link: string, path: string) {
  await page.goto(link.replace(/\/console\/.*/, `/console${path}`))
  await page.getByRole('heading', { level: 1 }).waitFor()
}

async function search(page: Page, number: string) {
  await page.getByRole('searchbox', { name: 'Search' }).fill(number)
  await page.keyboard.press('Enter')
}

/** When nothing has been asked for a moment: streams never end. */
async function take(page: Page, name: string) {
  await page.evaluate('scrollTo(0, 0)')
  await page.waitForTimeout(1_200)
  await page.screenshot({ path: join(images, `${name}.png`) })
  console.log(`docs/images/${name}.png`)
}
