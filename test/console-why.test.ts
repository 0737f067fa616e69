import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { liveIn } from './support/console-life.ts'
import { openConsole } from './support/console-page.ts'
import { newPerson } from './support/conversation.ts'
import { makeService, rows, serverForFile } from './support/proxy-api.ts'
import { eventually } from './support/server.ts'

const getServer = serverForFile()

/** What the browser keeps of a page: its address, its state, and its storage. */
const keptBy = async (page: Page) =>
  page.url() +
  (await page.evaluate<string>('JSON.stringify([history.state, { ...localStorage }, { ...sessionStorage }])'))

test('two clicks lead from a number to why a message did not arrive, and the browser keeps the number nowhere', async (t) => {
  const server = await getServer()
  const { unreached, failed_sid } = await liveIn(t, server)
  const { page, visit, faults } = await openConsole(t, server)
  await visit('/sessions')
  const number = unreached.bob.identifier
  const box = page.getByRole('searchbox', { name: 'Search' })
  await box.fill(number.replace(/^\+1(\d{3})/, '($1) '))
  await box.press('Enter')
  await page.getByText('That is the number of a person.').waitFor()
  const found = await keptBy(page)
  const row = page.getByRole('region', { name: 'Messages and calls' }).getByRole('row').filter({ hasText: 'Failed' })
  await row.getByRole('link').first().click()
  await page.getByRole('heading', { name: 'What became of this message' }).waitFor()
  assert.ok(page.url().endsWith(`/traffic/${failed_sid}`))
  assert.match((await page.getByRole('region', { name: 'Verdict' }).textContent()) ?? '', /Failed\..*did not arrive/)
  for (const step of ['A message came', 'The carrier says: undelivered']) await page.getByText(step).waitFor()
  const digits = number.slice(-7)
  assert.ok(![found, await keptBy(page)].some((kept) => kept.includes(digits)))
  assert.deepEqual(faults, [])

  // The control: a page that kept it in its state would be noticed.
  await page.evaluate(`history.replaceState({ query: '${number}' }, '')`)
  assert.ok((await keptBy(page)).includes(digits))
})

test('a session is made, closed and opened again, and a number that was revealed is on record', async (t) => {
  const server = await getServer()
  const service = await makeService(server, 2)
  const people = [newPerson(), newPerson()]
  const { page, visit, user, faults } = await openConsole(t, server, { role: 'operator' })
  await visit(`/sessions?service=${service.sid}`)
  await page.getByRole('button', { name: 'New session' }).click()
  await page.getByLabel('Name (optional)').fill('by-hand')
  for (const [at, title] of ['One person', 'The other'].entries()) {
    await page
      .getByRole('group', { name: title })
      .getByLabel('Number', { exact: true })
      .fill(people[at] ?? '')
  }
  await page.getByRole('button', { name: 'Create session' }).click()
  await page.getByRole('heading', { name: 'by-hand', level: 1 }).waitFor()

  const first = page.getByRole('region', { name: 'Participants' }).getByRole('article').first()
  assert.ok(!(await first.textContent())?.includes(people[0] ?? ''))
  await first.getByRole('button', { name: 'Reveal' }).click()
  await page.getByLabel('Reason (optional)').fill('Ticket 4711')
  await page.getByRole('button', { name: 'Show it' }).click()
  await first.getByText(people[0] ?? '').waitFor()
  const deeds = `select actor_sid, details from audit_log where action = 'participant.reveal'`
  await eventually(async () => (await rows(server, deeds)).length === 1, 'it is on record')
  const [deed] = await rows(server, deeds)
  assert.deepEqual([deed.actor_sid, deed.details.reason], [user.sid, 'Ticket 4711'])

  for (const [verb, sure, status] of [
    ['Close', 'Close session', 'Closed'],
    ['Re-open', 'Re-open session', 'In progress'],
  ] as const) {
    await page.getByRole('button', { name: verb, exact: true }).click()
    await page.getByRole('button', { name: sure }).click()
    await page.getByText(status, { exact: true }).waitFor()
  }
  assert.deepEqual(faults, [])

  const viewer = await openConsole(t, server, { role: 'viewer' })
  await viewer.visit(new URL(page.url()).pathname.replace('/console', ''))
  await viewer.page.getByRole('region', { name: 'Participants' }).waitFor()
  for (const name of ['Reveal', 'Message', 'Remove', 'Close', 'Delete']) {
    assert.equal(await viewer.page.getByRole('button', { name, exact: true }).count(), 0, name)
  }
})
