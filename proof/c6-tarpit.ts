import { createServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createSocketServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { newSid } from '../src/core/sid.ts'
import { eventually } from '../test/support/server.ts'
import type { Proof } from './proof.ts'
import { type Break, programWith } from './support/broken-copy.ts'
import { type Deployment, makeService, startDeployment } from './support/deployment.ts'
import { inScope, type Scope } from './support/scope.ts'

/**
 * A hundred applications on one server, of which one takes every connection and answers nothing, with far more waiting for
 * it than may be under way at once. How long callbacks to the others take, from when they are due to when they
 * arrive, is held against rounds in which nobody calls that one. The control knows no bound per host.
 */
const ENDPOINTS = 100
const A_ROUND = 1_000
const AT_ONCE = 5
const EVERY_MS = 20
const FOR_TARPIT = 1_000
/** What has not arrived so long after the last was due counts with what it has waited. */
const WAIT_MS = 3_000
const MOST = 1.2

const NO_BOUND: Break = {
  file: 'jobs/send-callback.ts',
  passage: 'MOST_OF_A_HOST = 100',
  becomes: 'MOST_OF_A_HOST = 100_000',
}

export const c6Tarpit: Proof = {
  id: 'C6',
  name: 'c6-tarpit',
  promise: 'an application that does not answer makes callbacks to others no slower',
  goal: `p99 of ${ENDPOINTS - 1} others at most ${MOST} times what it is without the one`,
  sizes: { short: 2, full: 10, unit: `rounds of ${A_ROUND} callbacks` },
  async run({ size, progress }) {
    progress('the program as it is')
    const found = await measure(size)
    progress('control')
    const control = await measure(1, [NO_BOUND])
    return {
      figure: `${found.ratio.toFixed(2)} times: ${found.beside} ms beside it, ${found.alone} ms without`,
      holds: found.ratio <= MOST,
      control: {
        figure: `${control.ratio.toFixed(1)} times without a bound per host: ${control.beside} and ${control.alone} ms`,
        fails: control.ratio > MOST,
      },
      details: [found.histogram, control.histogram],
    }
  },
}

const measure = (rounds: number, breaks?: Break[]) =>
  inScope(async (scope) => {
    const deployment = await startDeployment(scope, { processes: [programWith(scope, breaks)] })
    const world = await startWorld(scope, deployment)
    await world.tell()
    const alone: number[] = []
    const beside: number[] = []
    for (let round = 0; round < rounds; round++) {
      alone.push(...(await world.tell()))
      await world.fillTarpit()
      beside.push(...(await world.tell()))
      await world.emptyTarpit()
    }
    const [first, second] = [p99(alone), p99(beside)]
    const histogram = `without: ${histogramOf(alone)}; beside: ${histogramOf(beside)}`
    return { alone: first, beside: second, ratio: second / first, histogram }
  })

async function startWorld(scope: Scope, { pool, servers }: Deployment) {
  const arrivals = new Map<string, number>()
  const application: RequestListener = (request, response) => {
    arrivals.set(String(request.headers['i-twilio-idempotency-token']), performance.now())
    request.resume().once('end', () => response.writeHead(204).end())
  }
  const urls = await Promise.all(Array.from({ length: ENDPOINTS - 1 }, () => startApplication(scope, application)))
  // Another in each round: one that fails for long is left alone.
  let tarpit: Awaited<ReturnType<typeof startTarpit>> | undefined
  const { sid: service_sid } = await makeService(servers[0].api, 0)
  const interaction_sid = newSid('KI')
  await pool.query(
    `insert into interactions (service_sid, sid, account_sid, session_sid, type, origin, outcome, carrier_sid)
     select sid, $2, account_sid, 'KC', 'message', 'api', 'sent', 'MC' from services where sid = $1`,
    [service_sid, interaction_sid],
  )
  const makeDue = (told: { sid: string; url: string }[]) =>
    pool.query(
      `insert into callbacks (service_sid, sid, account_sid, interaction_sid, url, interaction_date_updated, due_at)
       select s.sid, t.sid, s.account_sid, $2, t.url, now(), now()
       from services s, unnest($3::text[], $4::text[]) t (sid, url) where s.sid = $1`,
      [service_sid, interaction_sid, told.map(({ sid }) => sid), told.map(({ url }) => url)],
    )
  return {
    /** One round: how long each took, in ms. */
    async tell(): Promise<number[]> {
      const due = new Map<string, number>()
      for (let at = 0; at < A_ROUND; at += AT_ONCE) {
        const next = performance.now() + EVERY_MS
        const told = urls
          .slice(at % urls.length, (at % urls.length) + AT_ONCE)
          .map((url) => ({ sid: newSid('CB'), url }))
        for (const { sid } of told) due.set(sid, performance.now())
        await makeDue(told)
        await delay(Math.max(0, next - performance.now()))
      }
      const end = performance.now() + WAIT_MS
      while (performance.now() < end && [...due.keys()].some((sid) => !arrivals.has(sid))) await delay(10)
      const now = performance.now()
      return [...due].map(([sid, since]) => (arrivals.get(sid) ?? now) - since)
    },
    async fillTarpit() {
      const { url, sockets } = await startTarpit(scope)
      tarpit = { url, sockets }
      await makeDue(Array.from({ length: FOR_TARPIT }, () => ({ sid: newSid('CB'), url })))
      await eventually(async () => sockets.size >= 100, 'it has as much under way as it may')
    },
    async emptyTarpit() {
      await pool.query('delete from callbacks where url = $1', [tarpit?.url])
      for (const socket of tarpit?.sockets ?? []) socket.destroy()
      const left = async () =>
        (await pool.query('select from callbacks where due_at is not null limit 1')).rowCount === 0
      await eventually(left, 'nothing is due any more', 60_000)
    },
  }
}

async function startApplication(scope: Scope, application: RequestListener): Promise<string> {
  const server = createServer(application)
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  scope.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

async function startTarpit(scope: Scope) {
  const sockets = new Set<Socket>()
  const server = createSocketServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  scope.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, sockets }
}

const p99 = (times: number[]) => Math.round(times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? 0)

const STEPS = [50, 100, 150, 200, 250, 300, 400, 600, 1000, Number.POSITIVE_INFINITY]

function histogramOf(times: number[]): string {
  let below = 0
  return STEPS.map((step) => {
    const count = times.filter((ms) => ms >= below && ms < step).length
    below = step
    return count > 0 ? `${count} under ${step} ms` : ''
  })
    .filter((text) => text !== '')
    .join(', ')
}
