import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { json, newCaller, newHandset, phonesOf, startService, startTalk, twiml } from './calls.ts'
import { type Conversation, converse, fetched, heard, newPerson, settled, type Talker } from './conversation.ts'
import { addPerson, letRunOut, makeService, newNumber, openSession, type Pool, rows } from './proxy-api.ts'
import { startReceiver } from './receiver.ts'
import { type Account, clientOf, eventually, makeAccount, type TestServer } from './server.ts'

/** A database that has seen everything that may happen, and nothing that may not. */
export type LivedIn = {
  /** Talked in, with messages both ways and an attachment; its status callbacks fail. */
  talk: Conversation
  service: Pool
  /** Two sessions of the same service in which nothing was said. */
  quiet: Conversation
  calm: Conversation
  closed: Conversation
  /** Alice was removed. */
  left: Conversation
  /** Another account with a service and a session of its own. */
  others: { account: Account; service_sid: string; session_sid: string; alice_sid: string }
}

/** Every wait below has an end: what does not happen fails the test that asked for it. */
export async function liveIn(t: TestContext, server: TestServer): Promise<LivedIn> {
  const receiver = await startReceiver(t, () => ({ status: 500 }))
  const service = await makeService(server, 3, { CallbackUrl: `${receiver.url}/status` })
  const talk = await converse(server, service)
  await say(server, talk, 'Hello')
  await server.text(talk.bob.identifier, talk.bob.proxy, 'A picture', ['https://example.com/a.png'])
  await heard(server, talk.alice, 'A picture')
  await server.post(`${talk.session.path}/Participants/${talk.bob.sid}/MessageInteractions`, {
    Body: 'From the office',
  })
  await heard(server, talk.bob, 'From the office')

  const closed = await converse(server, service)
  await say(server, closed, 'Before the end')
  await server.post(closed.session.path, { Status: 'closed' })
  const reopened = await converse(server, service)
  await server.post(reopened.session.path, { Status: 'closed' })
  await server.post(reopened.session.path, { Status: 'in-progress' })
  await say(server, reopened, 'Again')
  const left = await converse(server, service)
  await say(server, left, 'Bye')
  await server.delete(`${left.session.path}/Participants/${left.alice.sid}`)
  await runOut(server, service)
  await eraseSome(server, service)
  await liveOutside(t, server)
  await liveIntercepted(t, server)
  await liveGuarded(server)
  await call(t, server)

  const [quiet, calm] = [await converse(server, service), await converse(server, service)]
  const others = await liveElsewhere(server)
  await eventually(async () => {
    const [due] = await rows(server, 'select count(*)::int as count from interactions where due_at is not null')
    const [untried] = await rows(server, 'select count(*)::int as count from callbacks where attempts = 0')
    return due.count === 0 && untried.count === 0
  }, 'everything has been tried')
  return { talk, service, quiet, calm, closed, left, others }
}

async function say(server: TestServer, { alice, bob }: { alice: Talker; bob: Talker }, body: string) {
  await server.text(alice.identifier, alice.proxy, body)
  await heard(server, bob, body)
}

async function runOut(server: TestServer, service: Pool) {
  const { session } = await converse(server, service, { Ttl: '3600' })
  await letRunOut(server, session)
  await eventually(async () => (await fetched(server, session)).status === 'closed', 'it ran out')
}

/** A session, a message and a whole service that were deleted after somebody talked in them. */
async function eraseSome(server: TestServer, service: Pool) {
  const erased = await converse(server, service)
  await say(server, erased, 'Not for long')
  await server.delete(erased.session.path)
  const shortened = await converse(server, service)
  await say(server, shortened, 'Strike this')
  const { interactions } = (await server.get(`${shortened.session.path}/Interactions`)).body
  await server.delete(`${shortened.session.path}/Interactions/${interactions[0].sid}`)
  const gone = await makeService(server)
  await say(server, await converse(server, gone), 'In vain')
  await settled(server, gone)
  await server.delete(gone.path)
}

/** Strangers, people alone, words nobody forwards, and what an application answers. */
async function liveOutside(t: TestContext, server: TestServer) {
  const receiver = await startReceiver(t, () => twiml('<Message>Who is it?</Message>'))
  const service = await makeService(server, 2, { OutOfSessionCallbackUrl: receiver.url })
  const number = service.numbers[0]?.phone_number ?? ''
  await server.text(newPerson(), number, 'Anybody?')
  await settled(server, service)
  receiver.answer = () => json({ uniqueName: 'made on the fly', participantIdentifier: newPerson() })
  await server.text(newPerson(), number, 'Somebody?')
  await settled(server, service)
  receiver.answer = () => ({ status: 404 })
  const alone = await openSession(server, service)
  const alice = newPerson()
  const { proxy_identifier } = await addPerson(server, alone, alice)
  await server.text(alice, proxy_identifier, 'Alone?')
  const voiced = await converse(server, service, { Mode: 'voice-only' })
  await server.text(voiced.alice.identifier, voiced.alice.proxy, 'Written')
  await server.text(voiced.bob.identifier, voiced.bob.proxy, 'STOP')
  await settled(server, service)
}

async function liveIntercepted(t: TestContext, server: TestServer) {
  const receiver = await startReceiver(t, ({ params }) => ({
    status: /bad/.test(params.interactionData ?? '') ? 403 : 200,
  }))
  const service = await makeService(server, 2, { InterceptCallbackUrl: receiver.url })
  const talk = await converse(server, service)
  await say(server, talk, 'A good word')
  await server.text(talk.alice.identifier, talk.alice.proxy, 'A bad word')
  await settled(server, service)
}

/** Texts of which something is taken out, or that are stopped, with a word to their sender; and a number that is blocked. */
async function liveGuarded(server: TestServer) {
  const service = await makeService(server)
  const settings = {
    ContentGuardLinks: 'redact',
    ContentGuardEmailAddresses: 'block',
    ContentGuardNotice: 'Not like this',
  }
  await server.post(`/maskline${service.path}/Settings`, settings)
  const talk = await converse(server, service)
  await server.text(talk.alice.identifier, talk.alice.proxy, 'See www.example.org')
  await heard(server, talk.bob, 'See ***')
  await heard(server, talk.alice, 'Not like this')
  const pictures = ['https://example.com/a.png', `https://example.com/${talk.bob.identifier}.png`]
  await server.text(talk.bob.identifier, talk.bob.proxy, 'To bob@example.org', pictures)
  await server.post(`/maskline${service.path}/BlockedNumbers`, { PhoneNumber: talk.alice.identifier })
  await server.text(talk.alice.identifier, talk.alice.proxy, 'Nobody reads this')
  await server.text(talk.alice.identifier, talk.bob.proxy, 'Nor this')
  await settled(server, service)
}

/** Calls: one that is recorded, one that nobody takes, one that still lasts, one of a stranger. */
async function call(t: TestContext, server: TestServer) {
  const talk = await startTalk(t, server)
  const { phones, alice, bob, pool } = talk
  await server.post(`/maskline${pool.path}/Settings`, { Recording: 'true' })
  const taken = await phones.call(alice.identifier, alice.proxy)
  await phones.act(taken, bob, 'answer')
  await phones.advance(7)
  await phones.act(taken, bob, 'hangup')
  const missed = await startTalk(t, server, { bob: newHandset('0121') })
  await missed.phones.call(missed.alice.identifier, missed.alice.proxy)
  await settled(server, pool)
  await settled(server, missed.pool)
  const lasting = await phones.call(bob.identifier, bob.proxy)
  await phones.act(lasting, alice, 'answer')
  const outside = await startService(t, server, (url) => ({ outOfSessionCallbackUrl: `${url}/outside` }))
  outside.receiver.answer = () => twiml('<Say>Good day</Say>')
  await phonesOf(server).call(newCaller(), outside.pool.numbers[0]?.phone_number ?? '')
  const count = 'select count(*)::int as count from'
  const [recordings] = await rows(server, `${count} recordings`)
  const [calls] = await rows(server, `${count} interactions where type = 'voice'`)
  assert.deepEqual([recordings.count, calls.count], [1, 4])
  await phones.act(lasting, alice, 'hangup')
}

async function liveElsewhere(server: TestServer) {
  const account = await makeAccount(server.store)
  const { services } = clientOf(server.url, account).proxy.v1
  const { sid: service_sid } = await services.create({ uniqueName: 'elsewhere' })
  for (let at = 0; at < 2; at++) await services(service_sid).phoneNumbers.create({ phoneNumber: newNumber() })
  const { sid: session_sid } = await services(service_sid).sessions.create({})
  const { participants } = services(service_sid).sessions(session_sid)
  const { sid: alice_sid } = await participants.create({ identifier: newPerson() })
  await participants.create({ identifier: newPerson() })
  return { account, service_sid, session_sid, alice_sid }
}
