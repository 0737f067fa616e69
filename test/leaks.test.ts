import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Conversation, converse, newPerson, settled } from './support/conversation.ts'
import { participant, rows } from './support/proxy-api.ts'
import { type Receiver, startReceiver } from './support/receiver.ts'
import { makeTwilioService, startTwilioServer, type TwilioServer } from './support/twilio-server.ts'

const MESSAGES = 1000

/**
 * Says whose numbers a text holds, however they are written: with or without country code, in brackets, with dots,
 * dashes or spaces, percent-encoded, or as the hex digits of their bytes.
 */
function createScan(people: string[]) {
  const wanted = people.map((number) => {
    const national = number.slice(2)
    return { number, digits: national, hex: Buffer.from(national).toString('hex') }
  })
  return (text: string): string[] => {
    const squeezed = text.replace(/%2[08BCDE]|[\s().+-]|\\u00a0/gi, '').toLowerCase()
    const found = wanted.filter(({ digits, hex }) => squeezed.includes(digits) || squeezed.includes(hex))
    return found.map(({ number }) => number)
  }
}
type Scan = ReturnType<typeof createScan>

test('the scan finds a number in every dress, and nobody where there is none', () => {
  const scan = createScan(['+14155550131', '+14155550132'])
  const dresses = [
    '+14155550131',
    '4155550131',
    '1 (415) 555-0131',
    '415.555.0131',
    '415 555 01 31',
    '%2B1415555%200131',
  ]
  for (const dress of [...dresses, Buffer.from('x+14155550131').toString('hex')]) {
    assert.deepEqual(scan(`call ${dress} now`), ['+14155550131'], dress)
  }
  assert.deepEqual(scan('+1 415 555 013 and +1415•••0131, SM4155550aa131'), [])
})

async function startTapped(t: TestContext) {
  const started = await startTwilioServer(t, { env: { MASKLINE_LOG_LEVEL: 'trace' } })
  const { server, twilio } = started
  const receiver = await startReceiver(t, ({ target }) => ({ status: target === '/outside' ? 500 : 200 }))
  const service = await makeTwilioService(
    server,
    twilio,
    {
      CallbackUrl: `${receiver.url}/status`,
      InterceptCallbackUrl: `${receiver.url}/intercept`,
      OutOfSessionCallbackUrl: `${receiver.url}/outside`,
    },
    3,
  )
  const conversations: Conversation[] = []
  for (let at = 0; at < 10; at++) conversations.push(await converse(server, service))
  return { ...started, receiver, service, conversations }
}
type Tapped = Awaited<ReturnType<typeof startTapped>>

const peopleOf = ({ conversations }: Tapped) =>
  conversations.flatMap(({ alice, bob }) => [alice.identifier, bob.identifier])

/** A message of some kind, sent into whatever the carrier makes of it; its faults name the number, as the vendor's do. */
async function exchange({ server, twilio, conversations }: Tapped, at: number): Promise<void> {
  const { session, alice, bob } = conversations[at % conversations.length]!
  const [sender, other] = at % 3 === 0 ? [bob, alice] : [alice, bob]
  if (at % 50 === 7) twilio.failNext({ kind: 'error', status: 400, code: 21610 })
  if (at % 50 === 8) twilio.failNext({ kind: 'error', status: 429 })
  if (at % 50 === 9) twilio.failNext({ kind: 'reset' })
  if (at % 50 === 10) twilio.failNext({ kind: 'garbled' })
  const mediaUrls = at % 20 === 0 ? [twilio.addMedia({ content_type: 'image/png', bytes: Buffer.from(`${at}`) })] : []
  if (at % 10 === 1)
    await server.post(`${session.path}/Participants/${other.sid}/MessageInteractions`, { Body: `${at}` })
  else await twilio.receive({ from: sender.identifier, to: sender.proxy, body: `number ${at}`, mediaUrls })
}

async function inTurns(count: number, atOnce: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0
  const run = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: atOnce }, run))
}

/** Requests that are refused, with people's numbers in them, for every reason that has to do with people. */
async function provokeErrors({ server, service, conversations }: Tapped): Promise<string[]> {
  const { session, alice, bob } = conversations[0]!
  const sessions = `${service.path}/Sessions`
  const people = `${session.path}/Participants`
  const third = newPerson()
  const both = [participant(alice.identifier, { ProxyIdentifier: alice.proxy }), participant(third)]
  const answers = [
    await server.post(people, { Identifier: alice.identifier }),
    await server.post(people, { Identifier: third }),
    await server.post(sessions, { Participants: both }),
    await server.post(sessions, { Participants: Array(3).fill(participant(bob.identifier)) }),
    await server.post(sessions, { Participants: [participant(bob.identifier), participant(bob.identifier)] }),
    await server.post(sessions, { Participants: `{"Identifier":"${alice.identifier}"` }),
    await server.post(sessions, { Participants: participant(`${alice.identifier}0000`) }),
    await server.post(sessions, { UniqueName: 'x', Participants: participant(`tel:${alice.identifier}`) }),
    await server.post(sessions, { Mode: alice.identifier }),
  ]
  for (const { status, text } of answers) assert.ok(status >= 400 && status < 500, text)
  // A fault of ours, in which PostgreSQL quotes the row that it did not take.
  await rows(server, 'alter table participants add constraint never check (false) not valid')
  const failed = await server.post(sessions, { Participants: participant(third) })
  assert.equal(failed.status, 500)
  assert.ok(
    server.logged.some((line) => line.includes('never')),
    'the fault is in the log',
  )
  return [...answers, failed].map(({ text }) => text)
}

const sentToHandsets = ({ twilio }: Pick<TwilioServer, 'twilio'>) =>
  twilio
    .sent()
    .map(({ from, body, media_urls, status_callback }) => [from, body, ...media_urls, status_callback].join(' '))

const received = ({ requests }: Receiver, targets: string[]) =>
  requests
    .filter(({ target }) => targets.includes(target))
    .map(({ target, headers, body, values }) => JSON.stringify([target, headers, body, values]))

/** Every row of every table, as text; bytes stand in it as hex digits. */
async function everyRow(server: TwilioServer['server']): Promise<string[]> {
  const tables = await rows(server, `select tablename as name from pg_tables where schemaname = 'public'`)
  assert.ok(tables.length > 10)
  const found = await Promise.all(
    tables.map(({ name }) => rows(server, `select '${name} ' || t::text as row from "${name}" t`)),
  )
  return found.flat().map(({ row }) => row as string)
}

function assertNobody(scan: Scan, what: string, texts: string[]) {
  assert.ok(texts.length > 0, `there is something of ${what}`)
  for (const text of texts) assert.deepEqual(scan(text), [], `${what}: ${text.slice(0, 2000)}`)
}

test('in what handsets, applications, errors, the log and the database see there is nobody’s number', async (t) => {
  const tapped = await startTapped(t)
  const { server, twilio, receiver, conversations } = tapped
  const strangers = Array.from({ length: 20 }, newPerson)
  await inTurns(MESSAGES, 16, (at) => exchange(tapped, at))
  await inTurns(strangers.length, 8, async (at) => {
    await twilio.receive({ from: strangers[at]!, to: conversations[at % 10]!.bob.proxy, body: 'Who is there?' })
    await twilio.post(`${server.url}/webhooks/${server.account.carrier_sid}/messages`, { From: strangers[at]! })
  })
  await rows(server, 'update interactions set due_at = now() where due_at > now()')
  await settled(server)
  await inTurns(twilio.sent().length, 16, async (at) => {
    const { sid, from, to } = twilio.sent()[at]!
    assert.ok(peopleOf(tapped).includes(to) && !peopleOf(tapped).includes(from))
    if (at % 3 === 0) await twilio.report(sid, at % 2 === 0 ? 'delivered' : 'undelivered', 30003)
  })
  await settled(server)
  const errors = await provokeErrors(tapped)

  const scan = createScan([...peopleOf(tapped), ...strangers])
  assert.ok(twilio.sent().length > MESSAGES * 0.9)
  assertNobody(scan, 'handsets', sentToHandsets(tapped))
  assertNobody(scan, 'status callbacks', received(receiver, ['/status']))
  assertNobody(scan, 'intercept callbacks', received(receiver, ['/intercept']))
  assertNobody(scan, 'errors', errors)
  assertNobody(scan, 'the log', server.logged)
  assertNobody(scan, 'events', [(await server.get('/maskline/v1/Events?PageSize=100')).text])
  const deeds = [(await server.get('/maskline/v1/AuditLog?Action=message.send')).text]
  assert.match(deeds.join(), /participant_sid/)
  assertNobody(scan, 'the audit log', deeds)
  assertNobody(scan, 'the database', await everyRow(server))
  const outside = received(receiver, ['/outside']).flatMap(scan)
  assert.deepEqual(new Set(outside), new Set(strangers), 'the callback that tells who wrote does, and the scan sees it')
})

test('a number that somebody types is found wherever it goes, so the scan looks in the right places', async (t) => {
  const tapped = await startTapped(t)
  const { server, twilio, receiver, service, conversations } = tapped
  const { session, alice } = conversations[0]!
  const scan = createScan(peopleOf(tapped))
  const typed = alice.identifier.replace(/^\+1(...)(...)/, '($1) $2-')
  await twilio.receive({ from: alice.identifier, to: alice.proxy, body: `Call me: ${typed}` })
  await settled(server)
  const name = await server.post(session.path, { Status: 'closed' })
  assert.equal(name.status, 200)
  await server.post(`${service.path}/Sessions`, { UniqueName: alice.identifier })
  for (const texts of [sentToHandsets(tapped), received(receiver, ['/status']), received(receiver, ['/intercept'])]) {
    assert.deepEqual(new Set(texts.flatMap(scan)), new Set([alice.identifier]))
  }
  const exposed = (await everyRow(server)).filter((row) => scan(row).length > 0)
  assert.deepEqual(
    exposed.map((row) => row.split(' ')[0]),
    ['sessions'],
    'the message is sealed, the name of a session is not',
  )
})
