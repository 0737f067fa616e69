import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newNumber, serverForFile } from './support/proxy-api.ts'
import { clientOf, person } from './support/server.ts'

const shared = serverForFile()
const [ALICE, BOB] = [person(1), person(2)]
const PAST = new Date('2020-01-01')

/** The vendor's own client, and each request that it makes, by method and path with SIDs taken out. */
async function startClient() {
  const server = await shared()
  const client = clientOf(server.url, server.account)
  const calls = new Set<string>()
  const http = client.httpClient
  const send = http.request.bind(http)
  http.request = (options) => {
    calls.add(`${options.method.toUpperCase()} ${new URL(options.uri).pathname.replace(/[A-Z]{2}[0-9a-f]{32}/g, '*')}`)
    return send(options)
  }
  return { proxy: client.proxy.v1, calls }
}

type Proxy = Awaited<ReturnType<typeof startClient>>['proxy']
type Service = ReturnType<Proxy['services']>
type Session = ReturnType<Service['sessions']>

test('every call of the official client succeeds with typed results', async () => {
  const { proxy, calls } = await startClient()
  const service = await createService(proxy)
  const number = await addNumber(service)
  const session = await openSession(service)
  const bob = await addBob(session, number)
  const message = await sendMessage(session, bob)

  assert.equal(await session.interactions(message.sid).remove(), true)
  assert.equal(await session.participants(bob.sid).remove(), true)
  const closed = await session.update({ status: 'closed' })
  assert.deepEqual([closed.status, closed.closedReason, closed.dateEnded instanceof Date], ['closed', 'api', true])
  assert.equal(await session.remove(), true)
  assert.equal(await service.phoneNumbers(number.sid).remove(), true)
  assert.equal(await service.remove(), true)

  assert.deepEqual([...calls].sort(), everyCall().sort())
})

async function createService(proxy: Proxy) {
  const created = await proxy.services.create({ uniqueName: 'client', defaultTtl: 60, geoMatchLevel: 'country' })
  const service = proxy.services(created.sid)
  assert.deepEqual([created.uniqueName, created.defaultTtl, created.geoMatchLevel], ['client', 60, 'country'])
  assert.ok(created.dateCreated instanceof Date && created.dateCreated > PAST)
  assert.equal((await service.fetch()).sid, created.sid)
  assert.equal((await service.update({ defaultTtl: 90 })).defaultTtl, 90)
  assert.deepEqual(
    (await proxy.services.list()).map(({ sid }) => sid),
    [created.sid],
  )
  return service
}

async function addNumber(service: Service) {
  const number = await service.phoneNumbers.create({ phoneNumber: newNumber(), isReserved: true })
  assert.deepEqual([number.isReserved, number.inUse, number.isoCountry], [true, 0, 'US'])
  assert.equal(number.capabilities.sms, true)
  const member = service.phoneNumbers(number.sid)
  assert.equal((await member.update({ isReserved: false })).isReserved, false)
  assert.equal((await member.fetch()).phoneNumber, number.phoneNumber)
  assert.equal((await service.phoneNumbers.list()).length, 1)
  return number
}

/** A session with Alice in it. */
async function openSession(service: Service) {
  const dateExpiry = new Date('2999-01-01T00:00:00Z')
  const opened = await service.sessions.create({
    uniqueName: 'trip',
    dateExpiry,
    ttl: 30,
    mode: 'message-only',
    participants: [{ Identifier: ALICE, FriendlyName: 'Alice' }],
  })
  const session = service.sessions(opened.sid)
  assert.deepEqual(
    [opened.status, opened.ttl, opened.mode, opened.dateExpiry],
    ['open', 30, 'message-only', dateExpiry],
  )
  assert.equal(opened.dateStarted, null)
  assert.equal((await service.sessions('trip').fetch()).sid, opened.sid)
  assert.equal((await session.update({ ttl: 40 })).ttl, 40)
  assert.deepEqual(
    (await service.sessions.list({ limit: 99999999 })).map(({ uniqueName }) => uniqueName),
    ['trip'],
  )
  return session
}

async function addBob(session: Session, number: { sid: string; phoneNumber: string }) {
  const bob = await session.participants.create({ identifier: BOB, proxyIdentifier: number.phoneNumber })
  assert.deepEqual([bob.identifier, bob.proxyIdentifierSid, bob.dateDeleted], [BOB, number.sid, null])
  assert.equal((await session.participants(bob.sid).fetch()).proxyIdentifier, number.phoneNumber)
  assert.deepEqual(
    (await session.participants.list()).map(({ identifier }) => identifier),
    [ALICE, BOB],
  )
  return bob
}

async function sendMessage(session: Session, to: { sid: string }) {
  const { messageInteractions } = session.participants(to.sid)
  const message = await messageInteractions.create({ body: 'Hello' })
  assert.deepEqual([message.type, message.data, message.participantSid], ['message', '{"body":"Hello"}', to.sid])
  assert.ok(message.dateCreated instanceof Date && message.dateCreated > PAST)
  assert.equal((await messageInteractions(message.sid).fetch()).outboundParticipantSid, to.sid)
  assert.equal((await messageInteractions.list()).length, 1)
  assert.equal((await session.interactions(message.sid).fetch()).outboundResourceType, 'message')
  assert.deepEqual(
    (await session.interactions.list()).map(({ sid }) => sid),
    [message.sid],
  )
  return message
}

/** What the client can ask for, but for short codes; the session is fetched by its name. */
function everyCall(): string[] {
  const [services, one] = ['/v1/Services', '/v1/Services/*']
  const [people, person] = [`${one}/Sessions/*/Participants`, `${one}/Sessions/*/Participants/*`]
  const resource = (collection: string, ...more: string[]) => [
    `POST ${collection}`,
    `GET ${collection}`,
    `GET ${collection}/*`,
    ...more.map((method) => `${method} ${collection}/*`),
  ]
  return [
    ...resource(services, 'POST', 'DELETE'),
    ...resource(`${one}/PhoneNumbers`, 'POST', 'DELETE'),
    ...resource(`${one}/Sessions`, 'POST', 'DELETE'),
    `GET ${one}/Sessions/trip`,
    ...resource(people, 'DELETE'),
    ...resource(`${person}/MessageInteractions`),
    ...resource(`${one}/Sessions/*/Interactions`, 'DELETE').slice(1),
  ].filter((call) => call !== `GET ${one}/Sessions/*`)
}

test('the client pages by itself: each, list with a limit, page and getPage', async () => {
  const { proxy } = await startClient()
  const { sid } = await proxy.services.create({ uniqueName: 'paged' })
  const { sessions } = proxy.services(sid)
  const made: string[] = []
  for (let at = 0; at < 5; at++) made.push((await sessions.create()).sid)

  const each: string[] = []
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error) => (error ? reject(error) : resolve())
    sessions.each({ pageSize: 2, callback: (session) => each.push(session.sid), done })
  })
  assert.deepEqual(each, made)
  assert.deepEqual(
    (await sessions.list({ pageSize: 2, limit: 3 })).map((session) => session.sid),
    made.slice(0, 3),
  )

  const first = await sessions.page({ pageSize: 2 })
  assert.deepEqual(
    first.instances.map((session) => session.sid),
    made.slice(0, 2),
  )
  const second = await first.nextPage()
  assert.deepEqual(
    second?.instances.map((session) => session.sid),
    made.slice(2, 4),
  )
  assert.deepEqual(
    (await second?.previousPage())?.instances.map((session) => session.sid),
    made.slice(0, 2),
  )
  const again = await sessions.getPage(first.nextPageUrl ?? '')
  assert.deepEqual(
    again.instances.map((session) => session.sid),
    made.slice(2, 4),
  )
})

test('the client throws its RestException with code, status and link', async () => {
  const { proxy } = await startClient()
  await assert.rejects(proxy.services(`KS${'0'.repeat(32)}`).fetch(), {
    status: 404,
    code: 20404,
    moreInfo: 'https://www.twilio.com/docs/errors/20404',
    message: `The requested resource /Services/KS${'0'.repeat(32)} was not found`,
  })
})
