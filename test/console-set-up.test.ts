import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { askedBy } from './support/callers.ts'
import { openConsole } from './support/console-page.ts'
import { assertRefused, makeService, newName, rows, serverForFile } from './support/proxy-api.ts'
import { eventually, makeAccount, type TestServer } from './support/server.ts'

const getServer = serverForFile()

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const goTo = (page: Page, name: string) =>
  page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click()

test('settings of a service are saved in groups, nothing but what was changed, and a refusal stands at its field', async (t) => {
  const server = await getServer()
  const { sid, path } = await makeService(server, 0)
  const settings = `/maskline${path}/Settings`
  const { page, visit } = await openConsole(t, server)
  await visit(`/services/${sid}`)
  const calls = page.getByRole('region', { name: 'Calls', exact: true })
  await calls.getByLabel('Greeting').fill('Welcome.')
  await calls.getByLabel('Ring time').fill('20')
  // Sent with all of its group, this would be taken back.
  await server.post(settings, { Whisper: 'A call for you.' })
  await calls.getByRole('button', { name: 'Save' }).click()
  await calls.getByText('Saved.').waitFor()
  const { greeting, ring_timeout, whisper } = (await server.get(settings)).body
  assert.deepEqual([greeting, ring_timeout, whisper], ['Welcome.', 20, 'A call for you.'])

  const callbacks = page.getByRole('region', { name: 'Callbacks', exact: true })
  const field = callbacks.getByLabel('Callback URL', { exact: true })
  await field.fill('ftp://app.example/')
  await callbacks.getByRole('button', { name: 'Save' }).click()
  await callbacks.getByText(/absolute http or https/).waitFor()
  assert.equal(await field.getAttribute('aria-invalid'), 'true')
  assert.equal((await server.get(path)).body.callback_url, null)
  await field.fill('https://app.example/told')
  await callbacks.getByRole('button', { name: 'Save' }).click()
  await callbacks.getByText('Saved.').waitFor()
  assert.equal((await server.get(path)).body.callback_url, 'https://app.example/told')
})

test('a service is deleted only by who types its name', async (t) => {
  const server = await getServer()
  const { sid, path } = await makeService(server, 0)
  const { unique_name } = (await server.get(path)).body
  const { page, visit } = await openConsole(t, server)
  await visit(`/services/${sid}`)
  await button(page, 'Delete this service').click()
  const confirm = button(page, 'Delete for good')
  const typed = page.getByLabel(`Type ${unique_name} to go on`)
  await typed.fill(unique_name.slice(1))
  assert.equal(await confirm.isDisabled(), true)
  await typed.fill(unique_name)
  await confirm.click()
  await page.getByRole('heading', { level: 1, name: 'Services' }).waitFor()
  assertRefused(await server.get(path), 404, 20404)
})

test('the secret of a key is shown once, and the key does what was chosen until it is revoked', async (t) => {
  const server = await getServer()
  const { page, visit } = await openConsole(t, server)
  const name = newName('app')
  await visit('/keys')
  await button(page, 'New API key').click()
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByLabel('services:read').check()
  await button(page, 'Create').click()
  const secret = await page.getByLabel('Secret (password)').inputValue()
  const asked = askedBy(server, await page.getByLabel('SID (user name)').inputValue(), secret)
  assert.equal((await asked.get('/v1/Services')).status, 200)
  assertRefused(await asked.post('/v1/Services', { UniqueName: newName('service') }), 403, 20006)
  assert.equal(await shows(page, secret), true, 'control: it is found while it is shown')
  await button(page, 'Done').click()
  await page.reload()
  await button(page, `Revoke ${name}`).click()
  assert.equal(await shows(page, secret), false)
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click()
  await eventually(async () => (await asked.get('/v1/Services')).status === 401, 'the key is refused')
})

/** Whether a text stands anywhere on the page, in fields too. */
const shows = (page: Page, text: string) =>
  page.evaluate<boolean>(
    `document.body.innerHTML.includes('${text}') || [...document.querySelectorAll('input')].some((field) => field.value.includes('${text}'))`,
  )

test('a new user comes in by the link that is shown, once, and as what they were made', async (t) => {
  const server = await getServer()
  const { page, visit } = await openConsole(t, server)
  const name = newName('user')
  await visit('/users')
  await button(page, 'New user').click()
  await page.getByLabel('Name', { exact: true }).fill(name)
  await page.getByRole('radio', { name: /^Operator/ }).check()
  await button(page, 'Create').click()
  const link = new URL(await page.getByLabel('Link', { exact: true }).inputValue())
  const follow = async () => {
    const context = await page.context().browser()?.newContext()
    t.after(() => context?.close())
    const theirs = await context?.newPage()
    assert.ok(theirs)
    await theirs.goto(`${server.direct}/console/${link.hash}`)
    return theirs
  }
  const theirs = await follow()
  await theirs.getByRole('link', { name }).click()
  await theirs.getByText('Operator', { exact: true }).waitFor()
  assert.equal(await theirs.getByRole('link', { name: 'API keys' }).count(), 0)
  await (await follow()).getByRole('alert').waitFor()
})

test('who goes over to another account sees what is there and nothing of the one before', async (t) => {
  const server = await getServer()
  const [one, two] = [await namedAccount(server), await namedAccount(server)]
  const { page, visit } = await openConsole(t, server, { account_sid: null })
  await visit('/accounts')
  await button(page, `Switch to ${one.name}`).click()
  await button(page, `Switch to ${two.name}`).waitFor()
  await goTo(page, 'Services')
  await page.getByRole('link', { name: one.service }).waitFor()
  await goTo(page, 'Accounts')
  await button(page, `Switch to ${two.name}`).click()
  await button(page, `Switch to ${one.name}`).waitFor()
  await page.evaluate(`new MutationObserver(() => {
    globalThis.saw ??= document.body.textContent.includes('${one.service}') || undefined
  }).observe(document.body, { subtree: true, childList: true, characterData: true })`)
  await goTo(page, 'Services')
  await page.getByRole('link', { name: two.service }).waitFor()
  assert.equal(await page.evaluate('globalThis.saw ?? false'), false)
})

/** An account with a name and a service of its own. */
async function namedAccount(server: TestServer) {
  const { sid, auth_token } = await makeAccount(server.store)
  const name = newName('account')
  await rows(server, 'update accounts set friendly_name = $1 where sid = $2', [name, sid])
  const service = newName('service')
  await askedBy(server, sid, auth_token).post('/v1/Services', { UniqueName: service })
  return { name, service }
}
