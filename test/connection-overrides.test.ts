import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import twilio from 'twilio'
import { askIntercept } from '../src/callbacks/intercept.ts'
import { parseOverrides } from '../src/callbacks/overrides.ts'
import { post } from '../src/callbacks/post.ts'
import { callback, openGuard, TOKENS } from './support/callback-request.ts'
import { converse, hurry, settled } from './support/conversation.ts'
import { makeService, rows, serverForFile } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually } from './support/server.ts'

const getServer = serverForFile()

/** Takes connections, and breaks them or says nothing. */
async function startTarpit(t: TestContext, does: 'nothing' | 'reset' | 'half'): Promise<{ port: number }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    t.after(() => socket.destroy())
    if (does === 'reset') socket.once('data', () => socket.resetAndDestroy())
    if (does === 'half') socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf'))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => server.close())
  return { port: (server.address() as { port: number }).port }
}

async function startEnds(t: TestContext) {
  const receiver = await startReceiver(t, ({ target }) => ({ status: Number(target.slice(1)) }))
  const [silent, resets, half] = await Promise.all([
    startTarpit(t, 'nothing'),
    startTarpit(t, 'reset'),
    startTarpit(t, 'half'),
  ])
  return {
    // A handshake that nobody answers is a connection that is never made.
    unconnected: `https://127.0.0.1:${silent.port}/`,
    silent: `http://127.0.0.1:${silent.port}/`,
    half: `http://127.0.0.1:${half.port}/`,
    resets: `http://127.0.0.1:${resets.port}/`,
    refused: 'http://127.0.0.1:1/',
    gone: `${receiver.url}/404`,
    failing: `${receiver.url}/503`,
  }
}
type End = keyof Awaited<ReturnType<typeof startEnds>>

const ask = async (t: TestContext, url: string) => await post(callback(url, { timeout_ms: 15_000 }), openGuard(t))

const NOT_CONNECTED = 'The connection could not be made in time.'
const NOT_BEGUN = 'The answer did not begin in time.'
const STOPPED = 'The answer stopped before it was complete.'
const NOT_COMPLETE = /^There was no complete answer within \d+ ms\.$/

/** Minimum, default, maximum and what is out of bounds or no number: after how long it fails, and by what. */
const TIMES: [end: End, fragment: string, ms: number, error: string | RegExp][] = [
  ['unconnected', 'rc=0&ct=100', 100, NOT_CONNECTED],
  ['unconnected', 'rc=0', 5_000, NOT_CONNECTED],
  ['unconnected', 'rc=0&ct=10000', 10_000, NOT_CONNECTED],
  ...['99', '10001', '-1', '1e3', ' 200', '', 'abc'].map((ct): (typeof TIMES)[number] => [
    'unconnected',
    `rc=0&ct=${ct}`,
    5_000,
    NOT_CONNECTED,
  ]),
  ['silent', 'rt=100', 100, NOT_BEGUN],
  ['half', 'rt=100', 100, STOPPED],
  ['silent', 'rt=14000', 14_000, NOT_BEGUN],
  ...['rt=15000', 'rt=99', 'rt=15001', 'rt=abc', ''].map((fragment): (typeof TIMES)[number] => [
    'silent',
    fragment,
    15_000,
    NOT_COMPLETE,
  ]),
  ['silent', 'tt=100', 100, 'There was no complete answer within 100 ms.'],
  ['silent', 'tt=15000', 15_000, NOT_COMPLETE],
  ...['tt=99', 'tt=15001', 'tt=0x64'].map((fragment): (typeof TIMES)[number] => [
    'silent',
    fragment,
    15_000,
    NOT_COMPLETE,
  ]),
  // All tries together have the total, and the last of them what is left of it.
  ['silent', 'tt=500&rt=200&rc=5&rp=rt', 500, 'There was no complete answer within 500 ms.'],
]

test('each time of an address is kept to: at its minimum, default and maximum, and the default where it is no such time', async (t) => {
  const ends = await startEnds(t)
  await Promise.all(
    TIMES.map(async ([end, fragment, ms, expected]) => {
      const answer = await ask(t, `${ends[end]}#${fragment}`)
      const what = `${end} #${fragment}: ${JSON.stringify(answer)}`
      assert.ok(answer.outcome === 'failed', what)
      if (typeof expected === 'string') assert.equal(answer.error, expected, what)
      else assert.match(answer.error, expected, what)
      // The client's clock for reading has steps of half a second.
      assert.ok(answer.duration_ms >= ms - 20 && answer.duration_ms < ms + 1_900, what)
    }),
  )
})

/** How many tries there are of what fails by a cause, for each policy. */
const CAUSES: Record<string, [end: End, fragment: string]> = {
  '4xx': ['gone', ''],
  '5xx': ['failing', ''],
  ct: ['refused', ''],
  rt: ['silent', '&rt=100'],
}

async function triesOf(t: TestContext, fragmentOf: (policy: string, own: string) => string) {
  const ends = await startEnds(t)
  const policies = ['', '4xx', '5xx', 'ct', 'rt', 'all', '4xx,5xx', 'RT,5xx', 'zzz', 'ct,zzz', ',']
  const table: Record<string, string> = {}
  for (const policy of policies) {
    const tries = Object.values(CAUSES).map(async ([end, own]) => {
      const { tries } = await ask(t, `${ends[end]}#${fragmentOf(policy, own)}`)
      return tries
    })
    table[policy] = (await Promise.all(tries)).join(' ')
  }
  return table
}

/** In the order of `CAUSES`. */
const EXPECTED_TRIES = {
  '': '1 1 3 1',
  '4xx': '3 1 1 1',
  '5xx': '1 3 1 1',
  ct: '1 1 3 1',
  rt: '1 1 1 3',
  all: '3 3 3 3',
  '4xx,5xx': '3 3 1 1',
  'RT,5xx': '1 3 1 3',
  zzz: '1 1 3 1',
  'ct,zzz': '1 1 3 1',
  ',': '1 1 3 1',
}

test('what is tried again is what the policy names, and control: without a fragment it is not', async (t) => {
  const asked = await triesOf(t, (policy, own) => `rc=2${policy && `&rp=${policy}`}${own}`)
  assert.deepEqual(asked, EXPECTED_TRIES)
  const deaf = await triesOf(t, (_, own) => own)
  assert.notDeepEqual(deaf, EXPECTED_TRIES)
})

test('there are as many further tries as the address says, from none to five, and one where it says nothing', async (t) => {
  const { resets, failing } = await startEnds(t)
  for (const [fragment, tries] of Object.entries({
    'rc=0': 1,
    '': 2,
    'rc=1': 2,
    'rc=5': 6,
    'rc=6': 2,
    'rc=-1': 2,
    'rc=x': 2,
  })) {
    for (const url of [resets, failing]) {
      assert.equal((await ask(t, `${url}#rp=all&${fragment}`)).tries, tries, `${url} ${fragment}`)
    }
  }
})

test('the fragment does not travel and is not signed, and each try is the same to the byte', async (t) => {
  const receiver = await startReceiver(t, () => ({ status: 500 }))
  const answer = await ask(t, `${receiver.url}/hook?a=1#rc=2&rp=5xx`)
  assert.deepEqual([answer.tries, receiver.requests.length], [3, 3])
  const [first] = receiver.requests
  for (const { target, headers, params, body } of receiver.requests) {
    assert.equal(target, '/hook?a=1')
    const signature = String(headers['x-twilio-signature'])
    assert.ok(twilio.validateRequest(TOKENS[0]!, signature, `${receiver.url}/hook?a=1`, params))
    assert.ok(!twilio.validateRequest(TOKENS[0]!, signature, `${receiver.url}/hook?a=1#rc=2&rp=5xx`, params))
    assert.deepEqual([body, headers], [first?.body, first?.headers])
  }
})

test('an address that may not be reached is not tried again, nor is one that answered what was asked', async (t) => {
  const refused = await post(callback('http://127.0.0.1:1/#rc=5&rp=all'), openGuard(t, []))
  assert.equal(refused.tries, 1)
  const receiver = await startReceiver(t, () => ({ status: 403 }))
  const question = callback(`${receiver.url}/#rc=5&rp=all`)
  for (const failure of ['proceed', 'block'] as const) {
    const { decision, answer } = await askIntercept({ ...question, failure }, openGuard(t))
    assert.deepEqual([decision, answer.tries], ['blocked', 1])
  }
  receiver.answer = () => ({ status: 301, headers: { location: '/' } })
  assert.equal((await ask(t, `${receiver.url}/#rc=5&rp=all`)).tries, 1)
})

test('what an address without a fragment gets is what the vendor gives', () => {
  const { retry_on, ...times } = parseOverrides('https://app.example/')
  assert.deepEqual(times, { connect_ms: 5_000, read_ms: 15_000, total_ms: 15_000, retries: 1 })
  assert.deepEqual([...retry_on], ['ct'])
  assert.deepEqual(parseOverrides('https://app.example/#e=dublin&sni=y'), parseOverrides('https://app.example/'))
})

test('a status callback is tried at once as its address says, and then by the schedule', async (t) => {
  const server = await getServer()
  const receiver = await startReceiver(t, () => ({ status: 503 }))
  const service = await makeService(server, 2, { CallbackUrl: `${receiver.url}/told#rc=2&rp=5xx` })
  const { alice } = await converse(server, service)
  await server.text(alice.identifier, alice.proxy, 'Hello')
  const attempts = () =>
    rows(
      server,
      `select a.attempt, a.tries, a.status_code, c.due_at > now() as is_due_later
       from callback_attempts a join callbacks c on c.sid = a.callback_sid where a.service_sid = $1 order by a.sid`,
      [service.sid],
    )
  await eventually(async () => (await attempts()).length > 0, 'it is on record')
  const [first] = await attempts()
  assert.deepEqual(first, { attempt: 1, tries: 3, status_code: 503, is_due_later: true })
  receiver.answer = () => ({})
  await hurry(server, 'callbacks')
  await settled(server, service)
  const [{ callback_sid }] = await rows(
    server,
    'select callback_sid from callback_attempts where service_sid = $1 order by sid limit 1',
    [service.sid],
  )
  const told = receiver.requests.map(({ headers }) => headers['i-twilio-idempotency-token'])
  assert.equal(told.filter((token) => token === callback_sid).length, 4)
})
