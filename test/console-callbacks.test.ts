import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openConsole } from './support/console-page.ts'
import { converse, newPerson, settled } from './support/conversation.ts'
import { makeService, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually, type TestServer } from './support/server.ts'

const getServer = serverForFile()

/** A service whose application refuses callbacks for good until `mend` is called, and a message that it was to hear of. */
async function deafApplication(t: Parameters<typeof startReceiver>[0], server: TestServer) {
  let isDeaf = true
  const application = await startReceiver(t, () =>
    isDeaf ? { status: 410, body: 'gone fishing', headers: { 'content-type': 'text/plain' } } : { status: 200 },
  )
  const service = await makeService(server, 2, { CallbackUrl: `${application.url}/told` })
  const { alice } = await converse(server, service, {}, [newPerson(), newPerson()])
  await server.text(alice.identifier, alice.proxy, 'On my way')
  const listed = async (status: string) => {
    const { body } = await server.get(`/maskline/v1/Callbacks?ServiceSid=${service.sid}&Status=${status}`)
    return body.callbacks as { sid: string; outbound_resource_status: string }[]
  }
  const isLast = ({ outbound_resource_status }: { outbound_resource_status: string }) =>
    outbound_resource_status === 'delivered'
  await eventually(async () => (await listed('failed')).some(isLast), 'its callbacks have failed')
  await settled(server, service)
  return { service, application, alice, listed, mend: () => (isDeaf = false) }
}

test('a callback that failed says what it told and what was answered, and is told again', async (t) => {
  const server = await getServer()
  const { service, listed, mend } = await deafApplication(t, server)
  const { page, visit } = await openConsole(t, server, { role: 'operator' })
  await visit('/callbacks')
  await page.getByLabel('Service').selectOption(service.sid)
  await page.getByLabel('Status').selectOption('failed')
  const failed = await listed('failed')
  await page
    .getByRole('region', { name: 'Callbacks' })
    .getByRole('button', { name: /\/told$/ })
    .first()
    .click()
  const panel = page.getByRole('dialog', { name: 'Callback' })
  await panel.getByText('interactionSid').waitFor()
  await panel.getByText('410', { exact: true }).waitFor()
  assert.equal(await panel.getByText('On my way').count(), 0, 'what was said is hidden')
  mend()
  await panel.getByRole('button', { name: 'Replay' }).click()
  await panel.getByText('Delivered').first().waitFor()
  await panel.getByText('200', { exact: true }).waitFor()
  assert.equal((await listed('failed')).length, failed.length - 1)
})

test('all that failed are told again, once somebody has read how many', async (t) => {
  const server = await getServer()
  const { service, listed, mend } = await deafApplication(t, server)
  const { page, visit } = await openConsole(t, server)
  await visit('/callbacks')
  await page.getByLabel('Service').selectOption(service.sid)
  const { length } = await listed('failed')
  mend()
  await page.getByRole('button', { name: 'Replay all failed' }).click()
  const dialog = page.getByRole('dialog', { name: 'Replay all failed callbacks' })
  await dialog.getByText(`${length} failed callbacks will be told again.`).waitFor()
  await dialog.getByRole('button', { name: 'Replay', exact: true }).click()
  await dialog.getByText(`${length} callbacks are being told again.`).waitFor()
  await eventually(async () => (await listed('delivered')).length === length, 'all are delivered')
})

test('callbacks come onto the page as they are made', async (t) => {
  const server = await getServer()
  const { service, alice, listed, mend } = await deafApplication(t, server)
  mend()
  const { page, visit } = await openConsole(t, server)
  await visit('/callbacks')
  await page.getByLabel('Service').selectOption(service.sid)
  await page.getByText('Live', { exact: true }).waitFor()
  const rows = page.getByRole('region', { name: 'Callbacks' }).getByRole('row')
  const before = (await listed('failed')).length
  await rows.nth(before).waitFor()
  await server.text(alice.identifier, alice.proxy, 'Nearly there')
  const delivered = await eventually(async () => {
    const { length } = await listed('delivered')
    return length > 0 && (await rows.count()) === 1 + before + length && length
  }, 'they are on the page')
  await page.getByLabel('Status').selectOption('delivered')
  await rows.nth(delivered).waitFor()
})

test('whoever may only read is offered no replay', async (t) => {
  const server = await getServer()
  await deafApplication(t, server)
  const { page, visit } = await openConsole(t, server, { role: 'viewer' })
  await visit('/callbacks')
  await page
    .getByRole('region', { name: 'Callbacks' })
    .getByRole('button', { name: /\/told$/ })
    .first()
    .click()
  await page.getByRole('dialog', { name: 'Callback' }).getByText('410').first().waitFor()
  assert.equal(await page.getByRole('button', { name: /Replay/ }).count(), 0)
})
