import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import twilio from 'twilio'
import { createGuard } from '../src/callbacks/guard.ts'
import { askOutOfSession, type OutOfSessionQuestion } from '../src/callbacks/out-of-session.ts'
import { type Receiver, type ReceiverAnswer, startReceiver } from './support/receiver.ts'

const TOKEN = '0123456789abcdef0123456789abcdef'
const [CALLER, DIALLED] = ['+12025550102', '+12025550101']

const xml = (body: string): ReceiverAnswer => ({ headers: { 'content-type': 'application/xml' }, body })
const json = (body: unknown, type = 'application/json'): ReceiverAnswer => ({
  headers: { 'content-type': type },
  body: typeof body === 'string' ? body : JSON.stringify(body),
})

async function startApplication(t: TestContext) {
  const receiver = await startReceiver(t)
  const guard = createGuard({ allow: 'all' })
  t.after(() => guard.agent.destroy())
  const ask = (more: Partial<OutOfSessionQuestion> = {}) =>
    askOutOfSession(
      {
        url: `${receiver.url}/fallback`,
        params: [
          ['From', CALLER],
          ['Body', 'Héllo & bye'],
        ],
        auth_token: TOKEN,
        idempotency_token: 'token-1',
        timeout_ms: 5000,
        to: DIALLED,
        from: CALLER,
        ...more,
      },
      guard,
    )
  return { receiver, ask }
}

/** What a question that leads to nothing says of the reason. */
async function refusal(receiver: Receiver, ask: () => ReturnType<typeof askOutOfSession>, answer: ReceiverAnswer) {
  receiver.answer = () => answer
  const decided = await ask()
  assert.equal(decided.decision, 'nothing')
  return decided as Extract<typeof decided, { decision: 'nothing' }>
}

test('XML of either type is carried out as TwiML', async (t) => {
  const { receiver, ask } = await startApplication(t)
  for (const type of ['application/xml', 'text/xml; charset=utf-8', 'TEXT/XML', 'text/html']) {
    receiver.answer = () => json('<Response><Message>Sorry</Message></Response>', type)
    const { attempts, ...decided } = await ask()
    const messages = [{ to: CALLER, from: DIALLED, body: 'Sorry', media_urls: [] }]
    assert.deepEqual(decided, { decision: 'messages', messages, warnings: [] })
    assert.equal(attempts.length, 1)
  }
})

test('redirects are fetched with the same parameters, signed, and each is an attempt', async (t) => {
  const { receiver, ask } = await startApplication(t)
  receiver.answer = ({ target }) => {
    if (target === '/fallback') return xml('<Response><Redirect>/two</Redirect></Response>')
    if (target === '/two') return xml('<Response><Redirect method="GET">three?y=2</Redirect></Response>')
    return xml('<Response><Message>Done</Message></Response>')
  }
  const decided = await ask()
  assert.equal(decided.decision === 'messages' && decided.messages[0]?.body, 'Done')

  assert.deepEqual(
    receiver.requests.map(({ method, params }) => [method, params.From, params.Body]),
    ['POST', 'POST', 'GET'].map((method) => [method, CALLER, 'Héllo & bye']),
  )
  for (const { method, url, headers, params } of receiver.requests) {
    const form = method === 'GET' ? {} : params
    assert.ok(twilio.validateRequest(TOKEN, String(headers['x-twilio-signature']), url, form), url)
  }
  const tokens = receiver.requests.map(({ headers }) => headers['i-twilio-idempotency-token'])
  assert.deepEqual(tokens, ['token-1', 'token-1-1', 'token-1-2'])
  assert.deepEqual(
    decided.attempts.map(({ url, status_code, error }) => [url, status_code, error]),
    ['/fallback', '/two', '/three'].map((path) => [receiver.url + path, 200, null]),
  )
})

test('JSON of any charset asks for a session', async (t) => {
  const { receiver, ask } = await startApplication(t)
  const answers: [ReceiverAnswer, object][] = [
    [json({ participantIdentifier: '+12025550103' }), { participant_identifier: '+12025550103' }],
    [
      json(
        { participantIdentifier: '+12025550103', ttl: null, uniqueName: '' },
        'application/json; charset=ISO-8859-1',
      ),
      { participant_identifier: '+12025550103' },
    ],
    [
      json(
        {
          participantIdentifier: '+12025550103',
          participantProxyIdentifier: '+12025550104',
          uniqueName: 'order 7',
          mode: 'message-only',
          ttl: 0,
          dateExpiry: '2030-01-02T03:04:05+01:00',
          somethingElse: true,
        },
        'Application/JSON',
      ),
      {
        participant_identifier: '+12025550103',
        participant_proxy_identifier: '+12025550104',
        unique_name: 'order 7',
        mode: 'message-only',
        ttl: 0,
        date_expiry: new Date('2030-01-02T02:04:05Z'),
      },
    ],
  ]
  for (const [answer, session] of answers) {
    receiver.answer = () => answer
    const { attempts, ...decided } = await ask()
    assert.deepEqual(decided, { decision: 'create-session', session })
    assert.equal(attempts.length, 1)
  }
})

test('a date without a zone is UTC, wherever the server stands', async (t) => {
  const { receiver, ask } = await startApplication(t)
  const zone = process.env.TZ
  process.env.TZ = 'America/New_York'
  t.after(() => {
    if (zone === undefined) delete process.env.TZ
    else process.env.TZ = zone
  })
  assert.equal(new Date('2030-01-02T00:00:00').getTimezoneOffset(), 300, 'control: the zone is in force')
  for (const [text, expected] of [
    ['2030-01-02', '2030-01-02T00:00:00.000Z'],
    ['2030-01-02T03:04', '2030-01-02T03:04:00.000Z'],
    ['2030-01-02T03:04:05.678', '2030-01-02T03:04:05.678Z'],
  ]) {
    receiver.answer = () => json({ participantIdentifier: '+12025550103', dateExpiry: text })
    const decided = await ask()
    assert.equal(decided.decision === 'create-session' && decided.session.date_expiry?.toISOString(), expected)
  }
})

test('JSON that is no session is 12100, and the reason quotes none of it', async (t) => {
  const { receiver, ask } = await startApplication(t)
  const good = { participantIdentifier: '+12025550103' }
  const bodies: unknown[] = [
    JSON.stringify(JSON.stringify(good)),
    '{"participantIdentifier":"+12025550103"',
    '[]',
    'null',
    '7',
    {},
    { participantIdentifier: '' },
    { participantIdentifier: 12025550103 },
    { ...good, participantProxyIdentifier: {} },
    { ...good, uniqueName: ['a'] },
    { ...good, mode: 'fax-only' },
    { ...good, ttl: -1 },
    { ...good, ttl: 1.5 },
    { ...good, ttl: 'soon' },
    { ...good, dateExpiry: 'tomorrow' },
    { ...good, dateExpiry: '2030-13-40' },
    { ...good, dateExpiry: 1893456000 },
  ]
  for (const body of bodies) {
    const { error_code, reason } = await refusal(receiver, ask, json(body))
    assert.equal(error_code, 12100, JSON.stringify(body))
    assert.doesNotMatch(reason, /202555/)
  }
  const mistyped = await refusal(receiver, ask, json(good, 'text/plain'))
  assert.equal(mistyped.error_code, 12100)
  assert.equal((await refusal(receiver, ask, json(good, 'text/html'))).error_code, 12100)
})

test('every other answer leads to nothing, for its own reason', async (t) => {
  const { receiver, ask } = await startApplication(t)
  const answers: [ReceiverAnswer, number][] = [
    [{ ...xml('<Response/>'), status: 404 }, 80913],
    [{ ...xml('<Response/>'), status: 302 }, 80913],
    [{ ...json({ participantIdentifier: '+12025550103' }), status: 500 }, 80913],
    [xml('<Response><Message>'), 12100],
    [xml('<!DOCTYPE x><Response/>'), 12100],
    [json('Hello', 'text/plain'), 12300],
    [{ body: '<Response/>' }, 12300],
    [{ status: 204 }, 80905],
    [json(' \n', 'application/xml'), 80905],
    [xml('x'.repeat(70_000)), 11200],
    [xml('<Response><Redirect>ftp://app.example/</Redirect></Response>'), 11200],
    [xml('<Response><Redirect>http://127.0.0.1:1/</Redirect></Response>'), 11200],
    [xml('<Response><Redirect>/again</Redirect></Response>'), 11200],
  ]
  for (const [answer, code] of answers) {
    assert.equal((await refusal(receiver, ask, answer)).error_code, code, JSON.stringify(answer).slice(0, 200))
  }
  const loop = await refusal(receiver, ask, xml('<Response><Redirect>/again</Redirect></Response>'))
  assert.equal(loop.attempts.length, 11)
})

test('without a URL nobody is asked, and one that is refused is an attempt that failed', async (t) => {
  const { receiver, ask } = await startApplication(t)
  const none = await ask({ url: null })
  assert.equal(none.decision === 'nothing' && none.error_code, 80905)
  assert.deepEqual(none.attempts, [])

  const guard = createGuard({ allow: [] })
  t.after(() => guard.agent.destroy())
  const { url } = receiver
  const refused = await askOutOfSession(
    { url, params: [], auth_token: TOKEN, idempotency_token: 't', timeout_ms: 5000, to: DIALLED, from: CALLER },
    guard,
  )
  assert.equal(refused.decision === 'nothing' && refused.error_code, 11200)
  assert.match(refused.attempts[0]?.error ?? '', /loopback/)
  assert.equal(receiver.requests.length, 0)
})

test('the time limit is for the callback and its redirects together', async (t) => {
  const { receiver, ask } = await startApplication(t)
  receiver.answer = ({ target }) => {
    if (target !== '/slow') return xml('<Response><Message>First</Message><Redirect>/slow</Redirect></Response>')
    return new Promise<never>(() => undefined)
  }
  const started = performance.now()
  const decided = await ask({ timeout_ms: 300 })
  assert.ok(performance.now() - started < 2000)
  assert.equal(decided.decision, 'messages')
  assert.equal(decided.decision === 'messages' && decided.messages.length, 1)
  assert.deepEqual(decided.decision === 'messages' && decided.warnings.map(({ error_code }) => error_code), [11200])
  assert.deepEqual(
    decided.attempts.map(({ status_code }) => status_code),
    [200, null],
  )
})
