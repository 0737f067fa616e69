import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askedByKey } from './support/callers.ts'
import { json, newCaller, newHandset, startTalk, twiml } from './support/calls.ts'
import { converse, heard, hurry, newPerson, settled, type Talker } from './support/conversation.ts'
import {
  addPerson,
  assertRefused,
  letRunOut,
  makeService,
  openSession,
  type Pool,
  rows,
  serverForFile,
} from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually, makeAccount, type TestServer } from './support/server.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const getServer = serverForFile(async () => ({ env: { MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8' } }))

type Step = { kind: string; actor: string; result: string; text: string; details: Record<string, unknown> }
type Candidate = { session_sid: string; live: boolean; reason: string; text: string }
// biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
type Body = Record<string, any>
type Trace = { interaction: Body; candidates: Candidate[]; steps: Step[]; callbacks: Body[]; verdict: Body }

const RECORDS = '/maskline/v1/Interactions'

const recordsOf = async (server: TestServer, service: Pool, query = ''): Promise<Body[]> =>
  (await server.get(`${RECORDS}?ServiceSid=${service.sid}${query}`)).body.interactions

const traceOf = async (server: TestServer, { sid }: Body): Promise<Trace> => {
  const answer = await server.get(`${RECORDS}/${sid}/Trace`)
  assert.equal(answer.status, 200, answer.text)
  return answer.body as Trace
}

async function glimpse(server: TestServer, service: Pool): Promise<Trace> {
  const [record] = await recordsOf(server, service)
  assert(record)
  return await traceOf(server, record)
}

/** The newest of a service at a moment at which nothing happens to it: it has the same verdict wherever it is told. */
async function newest(server: TestServer, service: Pool): Promise<Trace> {
  const { record, trace } = await eventually(async () => {
    const [before] = await recordsOf(server, service)
    const trace = before && (await traceOf(server, before))
    const [record] = await recordsOf(server, service)
    const isStill = JSON.stringify(before) === JSON.stringify(record)
    return isStill && record && trace && { record, trace }
  }, 'there is one, and nothing happens to it')
  assert.deepEqual(trace.verdict, record.verdict)
  assert.deepEqual(trace.interaction, (await server.get(`${RECORDS}/${record.sid}`)).body)
  const times = trace.steps.map((step) => (step as unknown as { at: string }).at)
  assert.deepEqual(times, times.toSorted())
  return trace
}

/** Its carrier may have more to report when nothing is due any more. */
async function over(server: TestServer, service: Pool): Promise<void> {
  await eventually(async () => (await glimpse(server, service)).verdict.state !== 'under-way', 'it is over')
  await settled(server, service)
}

const kindsOf = ({ steps }: Trace) => steps.map(({ kind }) => kind)
const verdictIn = ({ verdict }: Trace) => [verdict.state, verdict.code]
const say = (server: TestServer, { identifier, proxy }: Talker, body: string) => server.text(identifier, proxy, body)

test('a message that arrived is told from its arrival to the last report and callback', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const urls = { CallbackUrl: `${receiver.url}/status`, InterceptCallbackUrl: `${receiver.url}/ask` }
  const service = await makeService(server, 2, urls)
  const { session, alice, bob } = await converse(server, service)
  await say(server, alice, 'Hello')
  await over(server, service)
  const trace = await newest(server, service)
  assert.deepEqual(verdictIn(trace), ['delivered', 'delivered'])
  const { interaction } = trace
  assert.deepEqual(
    [interaction.sender, interaction.sender_participant_sid, interaction.recipient_participant_sid, interaction.data],
    [alice.identifier, alice.sid, bob.sid, '{"body":"Hello"}'],
  )
  assert.deepEqual([interaction.dialled_number, interaction.outbound_number], [alice.proxy, bob.proxy])
  assert.deepEqual(
    trace.candidates.map(({ session_sid, live, reason }) => [session_sid, live, reason]),
    [[session.sid, true, 'chosen']],
  )
  assert.deepEqual(kindsOf(trace).slice(0, 5), ['received', 'looked-up', 'decided', 'intercept', 'send'])
  const reports = trace.steps.filter(({ kind }) => kind === 'report').map(({ details }) => details.status)
  assert.equal(reports.at(-1), 'delivered')
  const told = trace.callbacks.map((callback) => callback.outbound_resource_status)
  assert.deepEqual(told.at(-1), 'delivered')
  for (const { attempts_made } of trace.callbacks) assert.deepEqual(attempts_made[0].status_code, 200)
  const callbacks = trace.steps.filter(({ kind }) => kind === 'callback')
  assert.equal(callbacks.length, trace.callbacks.length)
  assert.equal(trace.steps.find(({ kind }) => kind === 'intercept')?.details.status_code, 200)
})

test('a carrier that refuses, and one that reports a failure, are told in their words and by their code', async () => {
  const server = await getServer()
  const service = await makeService(server)
  for (const [who, state, code, words] of [
    ['+15005550004', 'failed', 'carrier-refused', /opted out of messages .*\(21610\)/],
    ['+14155550103', 'failed', 'undelivered', /could not be reached: .*\(30003\)/],
  ] as const) {
    const { alice } = await converse(server, service, {}, [newPerson(), who])
    await say(server, alice, 'Hello?')
    await over(server, service)
    const trace = await newest(server, service)
    assert.deepEqual(verdictIn(trace), [state, code])
    assert.match(trace.verdict.text, words)
    const failed = trace.steps.find(({ result, kind }) => result === 'failed' && kind !== 'event')
    assert.match(failed?.text ?? '', words)
  }
})

test('what the carrier does not take waits for its next try, and what nobody knows of is looked up first', async (t) => {
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio)
  const { alice } = await converse(server, service)
  for (const [fault, state, code, word] of [
    [{ kind: 'error', status: 503 }, 'under-way', 'waiting-for-retry', /did not take it/],
    [{ kind: 'reset' }, 'unknown', 'outcome-unknown', /not known whether/],
  ] as const) {
    twilio.failNext(fault)
    await twilio.receive({ from: alice.identifier, to: alice.proxy, body: code })
    const trace = await eventually(async () => {
      const found = await glimpse(server, service)
      return found.verdict.code === code && found
    }, `it is ${code}`)
    assert.deepEqual(verdictIn(trace), [state, code])
    assert.ok(trace.verdict.text.includes(trace.interaction.date_next_attempt), trace.verdict.text)
    assert.ok(trace.steps.some(({ text, result }) => word.test(text) && result === 'waiting'))
    await hurry(server, 'interactions')
    await twilio.nextSent()
    await eventually(async () => (await glimpse(server, service)).verdict.code !== code, 'then it is sent')
  }
})

test('the intercept callback, the content guard, a block, a flood and an opt-out word are told apart', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t, ({ params }) => ({
    status: /no/.test(params.interactionData ?? '') ? 403 : 500,
  }))
  const stopped = async (
    settings: Record<string, string>,
    work: (alice: Talker, service: Pool) => Promise<unknown>,
  ) => {
    const service = await makeService(server, 2, { InterceptCallbackUrl: receiver.url })
    await server.post(`/maskline${service.path}/Settings`, settings)
    const { alice } = await converse(server, service)
    await work(alice, service)
    await over(server, service)
    return await newest(server, service)
  }
  const refused = await stopped({}, (alice) => say(server, alice, 'no'))
  assert.deepEqual(verdictIn(refused), ['stopped', 'intercepted'])
  assert.equal(refused.steps.find(({ kind }) => kind === 'intercept')?.result, 'stopped')
  const passed = await stopped({}, (alice) => say(server, alice, 'yes'))
  assert.deepEqual(
    verdictIn(passed),
    ['delivered', 'delivered'],
    'control: a failure passes unless the service says so',
  )
  const failed = await stopped({ InterceptFailure: 'block' }, (alice) => say(server, alice, 'yes'))
  assert.deepEqual(verdictIn(failed), ['stopped', 'intercept-failed'])
  const guarded = await stopped({ ContentGuardLinks: 'block' }, (alice) => say(server, alice, 'www.example.org'))
  assert.deepEqual(verdictIn(guarded), ['stopped', 'content-guard'])
  assert.deepEqual(guarded.steps.find(({ kind }) => kind === 'content-guard')?.details, { links: 'block' })
  const opted = await stopped({}, (alice) => say(server, alice, 'STOP'))
  assert.deepEqual(verdictIn(opted), ['stopped', 'opt-out'])
  const blocked = await stopped({}, async (alice, service) => {
    await server.post(`/maskline${service.path}/BlockedNumbers`, { PhoneNumber: alice.identifier })
    await say(server, alice, 'Hello')
  })
  assert.deepEqual(verdictIn(blocked), ['stopped', 'number-blocked'])
  const flood = await stopped({ FloodLimit: '1' }, async (alice) => {
    for (const text of ['one', 'two']) await say(server, alice, text)
  })
  assert.deepEqual(verdictIn(flood), ['stopped', 'flood'])
})

test('a stranger, a person alone, and what the application says to either are told', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t)
  const service = await makeService(server, 3, { OutOfSessionCallbackUrl: receiver.url })
  const number = service.numbers[0]?.phone_number ?? ''
  for (const [answer, code] of [
    [() => twiml('<Message>Who is it?</Message>'), 'application-answered'],
    [() => ({ status: 500 }), 'application-failed'],
    [() => json({ mode: 'no mode' }), 'answer-unusable'],
    [() => ({}), 'not-handled'],
    [() => json({ participantIdentifier: number }), 'session-refused'],
  ] as const) {
    receiver.answer = answer
    const stranger = newPerson()
    await server.text(stranger, number, 'Anybody?')
    await over(server, service)
    const [record] = await recordsOf(server, service, '&Outcome=out-of-session')
    assert(record)
    const trace = await traceOf(server, record)
    assert.deepEqual(verdictIn(trace), ['nobody', code])
    assert.deepEqual([trace.interaction.sender, trace.interaction.session_sid], [stranger, null])
    assert.ok(trace.steps.some(({ details }) => details.asked_as === 'out-of-session'))
  }
  receiver.answer = () => json({ participantIdentifier: newPerson() })
  await server.text(newPerson(), number, 'Somebody?')
  await over(server, service)
  const made = await newest(server, service)
  assert.deepEqual(verdictIn(made), ['delivered', 'delivered'])
  assert.deepEqual(
    made.candidates.map(({ live, reason }) => [live, reason]),
    [[true, 'matched-later']],
  )
  const { session, alice, bob } = await converse(server, service)
  await server.delete(`${session.path}/Participants/${bob.sid}`)
  receiver.answer = () => ({})
  await say(server, alice, 'Alone?')
  await over(server, service)
  const alone = await newest(server, service)
  assert.deepEqual(verdictIn(alone), ['nobody', 'no-partner'])
  assert.deepEqual(
    alone.candidates.map(({ live, reason }) => [live, reason]),
    [[true, 'live']],
  )
})

test('candidates of one pair are judged at the moment of the message, across sessions closed, run out and re-opened', async () => {
  const server = await getServer()
  const service = await makeService(server)
  const people = [newPerson(), newPerson()]
  const meet = async (params: Record<string, string> = {}) => {
    const session = await openSession(server, service, params)
    for (const [at, who] of people.entries()) {
      await addPerson(server, session, who, { ProxyIdentifier: service.numbers[at]?.phone_number ?? '' })
    }
    return { session, alice: { identifier: people[0] ?? '', proxy: service.numbers[0]?.phone_number ?? '', sid: '' } }
  }
  const closed = await meet()
  await server.post(closed.session.path, { Status: 'closed' })
  await say(server, closed.alice, 'Is anybody there?')
  await over(server, service)
  const reasons = async () => {
    const { candidates, verdict } = await newest(server, service)
    return [verdict.state, ...candidates.map(({ session_sid, reason, live }) => [session_sid, reason, live])]
  }
  assert.deepEqual(await reasons(), ['nobody', [closed.session.sid, 'session-closed', false]])
  // Re-opened since: at that moment it was closed all the same.
  await server.post(closed.session.path, { Status: 'in-progress' })
  assert.deepEqual(await reasons(), ['nobody', [closed.session.sid, 'session-closed', false]])
  await say(server, closed.alice, 'And now?')
  await eventually(async () => (await glimpse(server, service)).verdict.state === 'delivered', 'it is delivered')
  assert.deepEqual(await reasons(), ['delivered', [closed.session.sid, 'chosen', true]])

  await server.post(closed.session.path, { Status: 'closed' })
  const expired = await meet({ Ttl: '3600' })
  await letRunOut(server, expired.session)
  await say(server, expired.alice, 'Too late?')
  await over(server, service)
  assert.deepEqual(await reasons(), [
    'nobody',
    [closed.session.sid, 'session-closed', false],
    [expired.session.sid, 'session-expired', false],
  ])
  const third = await meet()
  assert.deepEqual((await reasons()).at(-1), [third.session.sid, 'joined-later', false])
})

test('what was queued when its session ended says how it ended', async () => {
  const server = await getServer()
  for (const [code, end] of [
    ['session-closed', (path: string) => server.post(path, { Status: 'closed' })],
    ['participant-removed', (path: string, bob: Talker) => server.delete(`${path}/Participants/${bob.sid}`)],
  ] as const) {
    const service = await makeService(server)
    const { session, alice, bob } = await converse(server, service)
    await say(server, alice, 'Hello')
    await over(server, service)
    // As if it had come in and nobody had taken it up yet.
    await rows(
      server,
      `update interactions set stage = 'send', due_at = now() + interval '1 hour', send_started_at = null,
         outbound_resource_status = null, outbound_resource_sid = null, outbound_carrier_id = null, leg_log = '', attempts = 0
       where service_sid = $1`,
      [service.sid],
    )
    assert.deepEqual(verdictIn(await newest(server, service)), ['under-way', 'queued'])
    await end(session.path, bob)
    const trace = await newest(server, service)
    assert.deepEqual(verdictIn(trace), ['stopped', code])
    assert.equal(trace.steps.filter(({ kind }) => kind === 'send').at(-1)?.result, 'stopped')
  }
})

test('calls that are taken, busy, not answered or not allowed are told', async (t) => {
  const server = await getServer()
  const talk = await startTalk(t, server)
  const { phones, alice, bob, pool } = talk
  const taken = await phones.call(alice.identifier, alice.proxy)
  assert.deepEqual(verdictIn(await newest(server, pool)), ['under-way', 'call-rings'])
  await phones.act(taken, bob, 'answer')
  assert.deepEqual(verdictIn(await newest(server, pool)), ['under-way', 'call-lasts'])
  await phones.advance(7)
  await phones.act(taken, bob, 'hangup')
  await over(server, pool)
  const trace = await newest(server, pool)
  assert.deepEqual(verdictIn(trace), ['delivered', 'call-completed'])
  assert.match(trace.verdict.text, /lasted 7 seconds/)
  const kinds = kindsOf(trace).filter((kind) => kind !== 'callback')
  assert.deepEqual(kinds, ['received', 'looked-up', 'decided', 'send', 'dialled', 'answered', 'ended'])
  const given = await phones.call(alice.identifier, alice.proxy)
  await phones.act(given, alice, 'hangup')
  await over(server, pool)
  assert.deepEqual(verdictIn(await newest(server, pool)), ['stopped', 'caller-gave-up'])

  const busy = await startTalk(t, server, { bob: newHandset('0121') })
  await busy.phones.call(busy.alice.identifier, busy.alice.proxy)
  await over(server, busy.pool)
  assert.deepEqual(verdictIn(await newest(server, busy.pool)), ['failed', 'call-busy'])
  const silent = await startTalk(t, server, { bob: newHandset('0122') })
  await server.post(`/maskline${silent.pool.path}/Settings`, { RingTimeout: '10' })
  await silent.phones.call(silent.alice.identifier, silent.alice.proxy)
  await silent.phones.advance(10)
  await over(server, silent.pool)
  assert.deepEqual(verdictIn(await newest(server, silent.pool)), ['failed', 'call-not-answered'])
  const mute = await startTalk(t, server, { session: { mode: 'message-only' }, alice: newCaller() })
  await mute.phones.call(mute.alice.identifier, mute.alice.proxy)
  assert.deepEqual(verdictIn(await newest(server, mute.pool)), ['stopped', 'calls-not-allowed'])
})

test('a deleted record says that it was deleted, and a text that is gone that it is not kept', async () => {
  const server = await getServer()
  const service = await makeService(server)
  const { session, alice, bob } = await converse(server, service)
  await say(server, alice, 'Hello')
  await heard(server, bob, 'Hello')
  await over(server, service)
  const { interaction } = await newest(server, service)
  const received = async () => (await newest(server, service)).steps[0]?.text ?? ''
  assert.doesNotMatch(await received(), /not kept/)
  await rows(server, 'update interactions set data_sealed = null where sid = $1', [interaction.sid])
  assert.match(await received(), /not kept/)
  await server.delete(`${session.path}/Interactions/${interaction.sid}`)
  const trace = await newest(server, service)
  assert.deepEqual(verdictIn(trace), ['unknown', 'deleted'])
  assert.deepEqual([trace.candidates, trace.interaction.sender, trace.interaction.data], [[], null, '{}'])
})

test('people and what they wrote are hidden without pii, and another account finds none of it', async () => {
  const server = await getServer()
  const service = await makeService(server)
  const { alice, bob } = await converse(server, service)
  await say(server, alice, 'Our secret')
  await heard(server, bob, 'Our secret')
  await over(server, service)
  const { interaction } = await newest(server, service)
  const path = `${RECORDS}/${interaction.sid}`
  const blind = await askedByKey(server, { scopes: ['interactions:read'] })
  const hidden = await blind.get(`${path}/Trace`)
  assert.equal(hidden.status, 200, hidden.text)
  assert.equal(hidden.body.interaction.data, '{"body":"•••"}')
  assert.equal(hidden.body.interaction.sender.slice(-4), alice.identifier.slice(-4))
  for (const secret of [alice.identifier, bob.identifier, 'Our secret'])
    assert.ok(!hidden.text.includes(secret), secret)
  assert.equal(hidden.body.steps[0].details.dialled_number, alice.proxy, 'what is ours is shown')
  const seen = await server.get(`${path}/Trace`)
  assert.ok(seen.text.includes(alice.identifier), 'control')

  const other = await askedByKey(server, { type: 'main' }, (await makeAccount(server.store)).sid)
  for (const one of [path, `${path}/Trace`]) assertRefused(await other.get(one), 404, 20404)
  assert.deepEqual((await other.get(RECORDS)).body.interactions, [])
  assert.deepEqual((await other.get(`${RECORDS}?ServiceSid=${service.sid}`)).body.interactions, [])
  const nothing = await askedByKey(server, { scopes: ['sessions:read'] })
  assertRefused(await nothing.get(path), 403, 20006)
})
