import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Result } from '../bench/benchmark.ts'
import { fillDatabase, withStore } from '../bench/data.ts'
import { figureOf, isMet, median, runRounds, summarise } from '../bench/figures.ts'
import { faultless } from '../bench/load.ts'
import { FIRST_NEWCOMER, personOf, poolNumberOf, type Shape, sidesOf } from '../bench/people.ts'
import { readRate, withVariables } from '../bench/pgbench.ts'
import { withFullPage } from '../bench/prism.ts'
import { formRequest, readReply } from '../bench/programs/connection.ts'
import { createLatencies } from '../bench/programs/latencies.ts'
import { runClosed, runRate } from '../bench/programs/loops.ts'
import { createRequests } from '../bench/programs/requests/inbound-messages.ts'
import { type Run, withRun } from '../bench/report.ts'
import { twilioCarrier } from '../src/carriers/twilio/adapter.ts'
import { createDirectory } from '../src/core/directory.ts'
import { examine } from '../src/core/doctor.ts'
import { relayMessage } from '../src/core/relay.ts'
import { createDatabase } from './support/database.ts'

// What could be wrong in a benchmark without anybody noticing.

const SHAPE: Shape = { sessions: 60, interactions: 200, pool: 7, seed: 3 }

test('a ratio is that of a round, and its median is not the ratio of the medians', () => {
  assert.equal(median([5, 1, 3]), 3)
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.throws(() => median([]), /Nothing was measured/)
  assert.deepEqual(figureOf([2, 9, 4]), { median: 4, min: 2, max: 9 })

  const rounds = [
    { ours: 10, peer: 1 },
    { ours: 20, peer: 10 },
    { ours: 30, peer: 30 },
  ]
  const { ours, other, ratio } = summarise(rounds)
  assert.deepEqual(ours, { median: 20, min: 10, max: 30 })
  assert.deepEqual(other, { median: 10, min: 1, max: 30 })
  assert.deepEqual(ratio, { median: 2, min: 1, max: 10 })
})

test('a goal is a least or a most of the median', () => {
  const ratio = { median: 1, min: 0.5, max: 1.5 }
  assert.deepEqual(
    [0.9, 1, 1.1].map((of) => isMet(ratio, { ratio: 'at least', of })),
    [true, true, false],
  )
  assert.deepEqual(
    [0.9, 1, 1.1].map((of) => isMet(ratio, { ratio: 'at most', of })),
    [false, true, true],
  )
  assert.equal(isMet(ratio, undefined), undefined)
})

test('ours and the peer take turns at being first, and the first measurement of each does not count', async () => {
  const order: string[] = []
  let measured = 0
  const measure = (who: string) => async () => {
    order.push(who)
    return ++measured
  }
  const rounds = await runRounds({ ours: measure('ours'), peer: measure('peer') }, 3, () => undefined)
  assert.equal(order.join(' '), 'ours peer ours peer peer ours ours peer')
  assert.deepEqual(rounds, [
    { ours: 3, peer: 4 },
    { ours: 6, peer: 5 },
    { ours: 7, peer: 8 },
  ])
  const broken = { ours: async () => 0, peer: async () => 1 }
  await assert.rejects(
    runRounds(broken, 1, () => undefined),
    /ours measured 0/,
  )
})

test('latencies come out in milliseconds, to three digits', () => {
  const latencies = createLatencies()
  for (let ms = 1; ms <= 1000; ms++) latencies.record(ms)
  const { count, mean, p50, p90, p99, max } = latencies.summary()
  assert.equal(count, 1000)
  for (const [found, expected] of [
    [mean, 500.5],
    [p50, 500],
    [p90, 900],
    [p99, 990],
    [max, 1000],
  ] as const) {
    assert.ok(Math.abs(found / expected - 1) < 0.002, `${found} for ${expected}`)
  }
  const short = createLatencies()
  for (const ms of [0, 0.0004, 0.25]) short.record(ms)
  assert.equal(short.summary().count, 3)
  assert.ok(Math.abs(short.summary().max - 0.25) < 0.001)
  assert.equal(createLatencies().summary().count, 0)
})

test('a reply is read when it is whole, and only as far as it goes', () => {
  const whole = Buffer.from('HTTP/1.1 201 Created\r\nContent-Length: 5\r\nx: y\r\n\r\nHelloHTTP/1.1')
  for (let length = 0; length < whole.indexOf('HelloH') + 5; length++) {
    assert.equal(readReply(whole.subarray(0, length)), undefined)
  }
  const read = readReply(whole)
  const expected = { status: 201, body: 'Hello', has_retry_after: false, length: whole.length - 8 }
  assert.deepEqual({ ...read, body: String(read?.body) }, expected)
  const refusal = 'HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n'
  assert.equal(readReply(Buffer.from(refusal))?.has_retry_after, true)
  assert.equal(readReply(Buffer.from('HTTP/1.1 204 No Content\r\n\r\n'))?.status, 204)
  assert.throws(() => readReply(Buffer.from('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')), /how long/)
})

async function listen(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const answering =
  (status: number): RequestListener =>
  (_request, response) => {
    response.writeHead(status, { 'content-length': 0 }).end()
  }

const REQUESTS = { next: () => formRequest('/', {}, 'a=b'), expects: 200 }

test('at a fixed rate what had to wait for others counts from when it was due, in a closed loop it does not', async (t) => {
  let asked = 0
  const port = await listen(t, (request, response) => {
    if (asked++ % 40 === 0) setTimeout(() => answering(200)(request, response), 400)
    else answering(200)(request, response)
  })
  const rate = await runRate(port, REQUESTS, { connections: 1, seconds: 0.4, per_second: 100 })
  assert.equal(rate.answered, 40)
  assert.ok(rate.latency_ms.p50 > 100, `half waited for longer than ${rate.latency_ms.p50} ms`)

  const closed = await runClosed(port, REQUESTS, { connections: 1, count: 40 })
  assert.equal(closed.answered, 40)
  const [waited, answered] = [rate.latency_ms.p50, closed.latency_ms.p50]
  assert.ok(waited > 2 * answered, `half waited for longer than ${waited} ms at the rate, ${answered} ms in the loop`)
})

test('what cannot leave within twice the time stays unsent, and counts as having waited all along', async (t) => {
  const port = await listen(t, (request, response) => void setTimeout(() => answering(200)(request, response), 100))
  const rate = await runRate(port, REQUESTS, { connections: 1, seconds: 0.3, per_second: 100 })
  assert.ok(rate.answered < 10, `${rate.answered} were answered in 0.6 s`)
  assert.equal(rate.answered + rate.unsent, 30)
  assert.equal(rate.latency_ms.count, 30)
  assert.ok(rate.latency_ms.max > 500, `somebody waited for ${rate.latency_ms.max} ms`)
})

test('a refusal is no answer, and any other status than the one expected breaks the measurement', async (t) => {
  const refused = await runClosed(await listen(t, answering(503)), REQUESTS, { connections: 2, count: 10 })
  assert.deepEqual([refused.answered, refused.refused, refused.failures], [0, 10, {}])
  assert.deepEqual([refused.refused_ms.count, refused.answered_ms.count, refused.without_retry_after], [10, 0, 10])
  assert.ok(refused.refused_ms.max < refused.latency_ms.p50, 'whoever is refused has to come again')
  assert.throws(() => faultless(refused), /Nothing was answered/)

  const odd = await runRate(await listen(t, answering(403)), REQUESTS, {
    ...{ connections: 2, seconds: 0.1, per_second: 100 },
  })
  assert.deepEqual(odd.failures, { '403 ': 10 })
  assert.throws(() => faultless(odd), /403/)

  const cut = await runClosed(await listen(t, (request) => request.destroy()), REQUESTS, { connections: 1, count: 3 })
  assert.equal(
    Object.values(cut.failures).reduce((sum, each) => sum + each, 0),
    3,
  )
  const fine = await runClosed(await listen(t, answering(200)), REQUESTS, { connections: 2, count: 10 })
  assert.equal(faultless(fine).answered, 10)
})

test('pgbench is given our statement with names, and its first second and its failures do not pass for a rate', () => {
  const names = ['sid', 'type']
  assert.equal(
    withVariables("select $1, split_part($2::text, ':', -1), $1", names),
    "select :sid, split_part(:type::text, ':', -1), :sid",
  )
  assert.throws(() => withVariables('select $3', names), /\$3/)
  const progress = [50, 100, 110].map(
    (tps, at) => `progress: ${at + 1}.0 s, ${tps}.0 tps, lat 1.000 ms stddev 0.1, 0 failed`,
  )
  const output = [...progress, 'number of failed transactions: 0 (0.000%)'].join('\n')
  assert.equal(readRate(output), 105)
  assert.throws(() => readRate(output.replace('transactions: 0', 'transactions: 2')), /failures/)
  assert.throws(() => readRate('number of failed transactions: 0 (0.000%)'), /no progress/)
})

test('Prism is given a full page to answer with, and nothing else of the document changes', () => {
  const sessions = '/v1/Services/{ServiceSid}/Sessions'
  const answering = (value: object) => {
    const content = { 'application/json': { schema: {}, examples: { one: { value } } } }
    return { get: { operationId: 'x', responses: { '200': { content } } } }
  }
  const session = { sid: 'KC1' }
  const meta = { page_size: 50 }
  const paths = { [sessions]: answering({ sessions: [], meta }), [`${sessions}/{Sid}`]: answering(session) }
  const filled = withFullPage({ paths, components: { schemas: {} } }, 2)
  assert.deepEqual(filled.paths[sessions], answering({ sessions: [session, session], meta }))
  assert.deepEqual(filled.paths[`${sessions}/{Sid}`], answering(session))
  assert.throws(() => withFullPage({ paths: {}, components: { schemas: {} } }, 2), /no example/)
})

test('everybody in the data set has one pair of their own, and newcomers have none', () => {
  const pool = new Set(Array.from({ length: 5_500 }, (_, at) => poolNumberOf(at)))
  assert.equal(pool.size, 5_500)
  const shape = { ...SHAPE, sessions: 1_000, pool: 5 }
  const people = new Set<string>()
  const used = new Set<number>()
  for (let session = 0; session < shape.sessions; session++) {
    const [one, other] = sidesOf(shape, session)
    assert.notEqual(one.proxy, other.proxy)
    for (const { identifier, proxy } of [one, other]) {
      assert.match(identifier, /^\+1555\d{7}$/)
      people.add(identifier)
      used.add(proxy)
    }
  }
  assert.equal(people.size, 2_000)
  assert.deepEqual([...used].sort(), [0, 1, 2, 3, 4])
  assert.ok(2 * 1_000_000 < FIRST_NEWCOMER, 'the largest data set has that many people')
  assert.match(personOf(FIRST_NEWCOMER), /^\+1555\d{7}$/)
  assert.notDeepEqual(sidesOf(shape, 1), sidesOf({ ...shape, seed: 4 }, 1))
})

test('the data set has no fault that doctor knows, and the messages of the load find their partners in it', async (t) => {
  const database_url = await createDatabase(t)
  await fillDatabase(database_url, SHAPE, () => undefined)
  await withStore(database_url, async (store) => {
    const quiet = { migrations: { pending: [] }, now: Date.now, progress: () => undefined }
    const { unfinished, checks } = await examine(store.pool, { ...quiet, depth: 'deep', keys: store.keys })
    const faults = checks.filter(({ level, status }) => level === 'fault' && status === 'found').map(({ id }) => id)
    // The PostgreSQL of the tests runs without fsync.
    assert.deepEqual([faults.filter((id) => id !== 'durability'), unfinished], [[], 0])

    const [owner] = await store.db.selectFrom('carriers').select(['sid', 'account_sid']).execute()
    assert.ok(owner)
    const url = 'https://example.com/webhooks/messages'
    const secrets = { account_sid: owner.account_sid, auth_token: 'a token of the load' }
    const requests = createRequests({ url, ...secrets, shape: SHAPE })
    const carrier = twilioCarrier(secrets)
    for (let at = 0; at < 20; at++) {
      const webhook = webhookOf(requests.next(), url)
      assert.equal(carrier.verify(webhook), true)
      const relayed = await relayMessage(store, createDirectory(store), owner, carrier.parseMessage(webhook))
      assert.equal(relayed.outcome, 'relayed')
    }
    const stranger = webhookOf(createRequests({ url, ...secrets, shape: { ...SHAPE, seed: 4 } }).next(), url)
    const lost = await relayMessage(store, createDirectory(store), owner, carrier.parseMessage(stranger))
    assert.equal(lost.outcome, 'out-of-session', 'the seed decides who is on which number')
  })
})

/** The bytes of a request as a server hands it on. */
function webhookOf(bytes: Buffer, url: string) {
  const [head = '', body = ''] = String(bytes).split('\r\n\r\n')
  const lines = head.split('\r\n').slice(1)
  const headers = Object.fromEntries(lines.map((line) => line.split(/: (.*)/s).slice(0, 2)))
  return { method: 'POST', url, headers, body: Buffer.from(body) }
}

const MEASURED: Result = {
  ...{ name: 'some', title: 'Some of it', unit: 'messages/s', peer: 'another', seconds: 1, remarks: [] },
  goal: { ratio: 'at least', of: 2 },
  ...{ ours: figureOf([2468, 2500]), other: figureOf([1000]), ratio: figureOf([2.484]), met: true },
}

const RUN: Run = {
  ...{ date: '2026-01-02', commit: 'abc', rounds: 5, results: [MEASURED] },
  machine: { processor: 'Z80', cores: 1, memory_gb: 1, node: 'v20.0.0', postgres: '18.0' },
  data: { sessions: 1000, interactions: 10_000, pool: 100, seed: 1 },
}

test('a run replaces what stands between the marks in the document, and nothing else', () => {
  const document = 'Before.\n\n<!-- benchmarks -->\nold\n<!-- end of benchmarks -->\n\nAfter.\n'
  const renewed = withRun(document, RUN)
  assert.match(renewed, /^Before\.\n\n<!-- benchmarks -->\nMeasured on 2026-01-02 at abc: 1 × Z80, 1 GB, Node 20\.0\.0/)
  assert.match(renewed, /\| Some of it \| 2,484 \(2,468–2,500\) messages\/s \| another: 1,000 \(1,000–1,000\)/)
  assert.match(renewed, /\| \*\*2\.48 \(2\.48–2\.48\)\*\* \| ≥ 2 \| met \|\n<!-- end of benchmarks -->\n\nAfter\.\n$/)
  assert.doesNotMatch(renewed, /old/)
  assert.equal(withRun(renewed, RUN), renewed)
  assert.throws(() => withRun('Before.', RUN), /exactly one/)
  assert.throws(() => withRun(`${document}${document}`, RUN), /exactly one/)
  const { name, title, unit, peer, goal, seconds, remarks } = MEASURED
  const shown = withRun(document, { ...RUN, results: [{ ...MEASURED, goal: undefined, met: undefined }] })
  assert.match(shown, /\| \*\*2\.48 \(2\.48–2\.48\)\*\* \| {2}\| {2}\|\n/)
  const broken = { name, title, unit, peer, goal, seconds, remarks, broken: 'It fell over.' }
  assert.throws(() => withRun(document, { ...RUN, results: [broken] }), /some is broken/)
})
