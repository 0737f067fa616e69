import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after, type TestContext } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { buildConsole } from '../../scripts/build-console.ts'
import { createLink } from '../../src/core/sign-in-links.ts'
import { createUser } from '../../src/core/users.ts'
import type { Role } from '../../src/db/user-schema.ts'
import { launchBrowser } from './browser.ts'
import type { TestServer } from './server.ts'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const WAIT_MS = 30_000

let browser: Promise<Browser> | undefined
let users = 0

// A server reads the console's files when it starts.
await buildConsole()
after(async () => (await browser)?.close())

/** One browser for a test file. */
const getBrowser = (): Promise<Browser> => (browser ??= launchBrowser())

export type Looks = {
  role?: Role
  account_sid?: string | null
  scheme?: 'light' | 'dark'
  width?: number
  height?: number
  /** Where the browser goes, instead of to the server directly. */
  url?: string
}

/**
 * The console in a browser of its own, signed in by a link. What a page must not do is noted: break its own policy, ask
 * another host, or fail in its code.
 */
export async function openConsole(t: Pick<TestContext, 'after'>, server: TestServer, looks: Looks = {}) {
  const { role = 'admin', account_sid = server.account.sid, scheme = 'light', width = 1280, height = 860 } = looks
  const { url = server.direct } = looks
  const user = await createUser(server.store, { name: `somebody-${++users}`, role, account_sid })
  const context = await (await getBrowser()).newContext({
    colorScheme: scheme,
    viewport: { width, height },
    reducedMotion: 'reduce',
    locale: 'en-GB',
  })
  t.after(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(WAIT_MS)
  const faults = watch(page, url)
  await page.goto(`${url}/console/${new URL(await createLink(server.store, user)).hash}`)
  await page
    .getByRole('navigation', { name: 'Pages' })
    .or(page.getByRole('button', { name: 'Menu' }))
    .first()
    .waitFor()
  return {
    page,
    user,
    faults,
    /** Goes to a page by its path below /console, and waits until it stands. */
    async visit(path: string) {
      await page.goto(`${url}/console${path}`)
      await page.getByRole('heading', { level: 1 }).waitFor()
    },
  }
}

function watch(page: Page, ours: string): string[] {
  const faults: string[] = []
  page.on('pageerror', (error) => faults.push(`an error in the page: ${error.message}`))
  page.on('request', (request) => {
    const url = request.url()
    if (!url.startsWith(`${ours}/`) && !/^(data|blob):/.test(url)) faults.push(`a request to ${url}`)
  })
  page.on('console', (message) => {
    if (/Content.Security.Policy/i.test(message.text())) faults.push(message.text())
  })
  return faults
}

/** What axe calls serious or critical on the page as it stands, a line each. */
export async function findBarriers(page: Page): Promise<string[]> {
  await page.evaluate(AXE)
  const { violations } = await page.evaluate<Found>('axe.run()')
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}

type Found = { violations: { id: string; impact: string; nodes: { target: string[] }[] }[] }

const NAME_OF_FOCUSED = `(() => {
  const element = document.activeElement
  return element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent ?? ''
})()`

/** Goes on with Tab until what is focused has this name; fails where that never comes. */
export async function tabTo(page: Page, name: RegExp, most = 60): Promise<void> {
  const seen: string[] = []
  for (let at = 0; at < most; at++) {
    await page.keyboard.press('Tab')
    const focused = await page.evaluate<string>(NAME_OF_FOCUSED)
    if (name.test(focused)) return
    seen.push(focused.slice(0, 40))
  }
  assert.fail(`the keyboard never comes to ${name}; it came to ${seen.join(' | ')}`)
}
