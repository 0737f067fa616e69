import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { buildConsole } from '../scripts/build-console.ts'
import { liveIn } from './support/console-life.ts'
import { findBarriers, openConsole, tabTo } from './support/console-page.ts'
import { serverForFile } from './support/proxy-api.ts'

const getServer = serverForFile()

/** Every page there is, in a service where something happened. */
const pagesOf = ({ service_sid, session_sid, interaction_sid }: Awaited<ReturnType<typeof liveIn>>) => [
  '/phones',
  '/sessions',
  `/sessions/${service_sid}/${session_sid}`,
  '/traffic',
  `/traffic/${interaction_sid}`,
  '/numbers',
  '/callbacks',
  '/events',
  '/services',
  `/services/${service_sid}`,
  '/keys',
  '/users',
  '/accounts',
  '/audit',
  '/profile',
  '/search',
]

for (const looks of [{ scheme: 'light' }, { scheme: 'dark', width: 390 }] as const) {
  test(`every page can be used by everybody and keeps to its own policy, ${looks.scheme}`, async (t) => {
    const server = await getServer()
    const life = await liveIn(t, server)
    const { page, visit, faults } = await openConsole(t, server, { ...looks, account_sid: null })
    for (const path of pagesOf(life)) {
      await visit(path)
      await page.waitForLoadState('networkidle').catch(() => undefined)
      assert.deepEqual(await findBarriers(page), [], path)
    }
    assert.deepEqual(faults, [])
  })
}

test('what keeps a page from being used, and what it must not do, is found', async (t) => {
  const { page, visit, faults } = await openConsole(t, await getServer())
  await visit('/profile')
  await page.evaluate("document.querySelector('h1').outerHTML = '<button></button><img src=x>'")
  assert.match((await findBarriers(page)).join(), /button-name/)
  await page.evaluate(
    "document.body.insertAdjacentHTML('beforeend', '<style>p { color: red }</style><p style=\"color: red\">')",
  )
  await page.evaluate("fetch('https://elsewhere.example/').catch(() => 0)")
  await page.evaluate("new Image().src = 'https://elsewhere.example/a.png'")
  await page.waitForTimeout(50)
  assert.match(faults.join('\n'), /Content Security Policy/i)
})

test('the keyboard alone leads from page to page', async (t) => {
  const { page, visit } = await openConsole(t, await getServer())
  await visit('/profile')
  await page.keyboard.press('Tab')
  await tabTo(page, /^Callbacks$/)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { level: 1, name: 'Callbacks' }).waitFor()
  await page.keyboard.press('/')
  assert.equal(await page.evaluate('document.activeElement.getAttribute("aria-label")'), 'Search')
})

test('all script together is at most 250 KB compressed', async () => {
  await buildConsole()
  const folder = fileURLToPath(new URL('../console/dist/assets/', import.meta.url))
  const scripts = readdirSync(folder).filter((name) => name.endsWith('.js'))
  const bytes = scripts.map((name) => gzipSync(readFileSync(folder + name)).length).reduce((sum, each) => sum + each, 0)
  assert.ok(scripts.length > 0 && bytes <= 250 * 1024, `${bytes} bytes`)
})
