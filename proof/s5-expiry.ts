import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { vendorSid } from '../test/support/twilio-numbers.ts'
import { drawPeople } from './people.ts'
import type { Proof } from './proof.ts'
import { createRandom, type Random } from './random.ts'
import { type Break, programWith } from './support/broken-copy.ts'
import { checkClock, readClaims, watchClaims } from './support/claims.ts'
import {
  type Conversation,
  converse,
  type Deployment,
  loggedErrors,
  makeService,
  type Service,
  settled,
  startDeployment,
} from './support/deployment.ts'
import { inLanes, inScope, type Scope } from './support/scope.ts'
import { dialledBy, startWatchingCarrier, untilTaken, type WatchingCarrier } from './support/watching-carrier.ts'

/**
 * Sessions run out while messages and calls come in around that very moment, through two servers of which one is five
 * minutes slow, and nobody sweeps. A leg is past the end when its message came after it, by the carrier's record, or when
 * it was claimed after it, as one is that had to be tried again.
 */
const SLOW_MS = -5 * 60_000
/** Of sessions at once: each waits for its own end. */
const AT_ONCE = 80
const LIFE_MS = 1500
const CONTROL = 80
/** When messages come, in ms from the session's end. */
const MOMENTS = [
  [-1400, -200],
  [-100, 0],
  [-50, 50],
  [0, 100],
  [100, 1000],
] as const

type Sent = { kind: 'message' | 'call'; posted_at: number; ends_at: number; dialled: boolean }
type Outcome = { sessions: number; late: number; details: string[] }
type Options = { sessions: number; seed: number; progress: (what: string) => void; breaks?: Break[] }

export const s5Expiry: Proof = {
  id: 'S5',
  name: 's5-expiry',
  promise: 'nothing is sent in a session that has run out, swept or not, whatever the clock of a server says',
  goal: '0 legs past the end of a session',
  sizes: { short: 200, full: 4000, unit: 'sessions that run out' },
  async run({ size, seed, progress }) {
    const measured = await inScope((scope) => expire(scope, { sessions: size, seed, progress }))
    progress('control')
    const planted = Math.min(size, CONTROL)
    const control = await inScope((scope) => expire(scope, { sessions: planted, seed, progress, breaks: OWN_CLOCK }))
    return {
      figure: `${measured.late} legs past the end of ${measured.sessions} sessions`,
      holds: measured.late === 0,
      control: {
        figure: `${control.late} past the end of ${control.sessions} when each server goes by its own clock`,
        fails: control.late > 0,
      },
      details: [...measured.details, ...control.details.map((detail) => `control: ${detail}`)],
    }
  },
}

/** The rule for what is live is given the time of the process that asks. */
export const OWN_CLOCK: Break[] = [
  { file: 'db/statements/live-session.ts', passage: 's.expires_at > now()', becomes: 's.expires_at > process_now()' },
  {
    file: 'db/open.ts',
    passage: "  pool.on('connect', (client) => client.on('error', () => undefined))\n",
    becomes: `  pool.on('connect', (client) => {
    client.on('error', () => undefined)
    const query = client.query.bind(client)
    const timed = (text) => text.replaceAll('process_now()', "timestamptz '" + new Date().toISOString() + "'")
    client.query = (asked, ...rest) => {
      if (typeof asked === 'string') return query(timed(asked), ...rest)
      const isTimed = asked?.text?.includes('process_now()')
      return query(isTimed ? { ...asked, name: undefined, text: timed(asked.text) } : asked, ...rest)
    }
  })\n`,
  },
]

async function expire(scope: Scope, { sessions: count, seed, progress, breaks }: Options): Promise<Outcome> {
  const random = createRandom(seed)
  const carrier = await startWatchingCarrier(scope)
  const server = programWith(scope, breaks)
  const deployment = await startDeployment(scope, {
    credentials: carrier.credentials,
    processes: [server, { ...server, clock_skew_ms: SLOW_MS }],
    env: { MASKLINE_DB_POOL: '30' },
    prepare: watchClaims,
  })
  await checkClock(deployment.pool)
  await holdSweeper(scope, deployment)
  const service = await makeService(deployment.servers[0].api, 2)
  const people = drawPeople(random, 2 * count)
  const messages = new Map<string, Sent>()
  const calls: Sent[] = []
  carrier.answer = failSometimes(random)
  let over = 0
  await inLanes(Array.from({ length: count }).keys(), AT_ONCE, async (at) => {
    const pair: [string, string] = [people[2 * at] ?? '', people[2 * at + 1] ?? '']
    await live({ deployment, carrier, random, service, messages, calls }, pair)
    if (++over % 100 === 0) progress(`${over} of ${count} sessions`)
  })
  await settled(deployment)
  return await judge(deployment, carrier, { sessions: count, messages, calls })
}

const SWEEP = "hashtext('maskline sweep')"

/** Sweeping takes an advisory lock; who holds it keeps every server from it. */
async function holdSweeper(scope: Scope, { database_url }: Deployment) {
  const client = new pg.Client({ connectionString: database_url })
  await client.connect()
  scope.after(() => client.end())
  await client.query(`select pg_advisory_lock(${SWEEP})`)
}

/** One message in three is not taken at first, so that it is tried again at once or a second later. */
function failSometimes(random: Random): WatchingCarrier['answer'] {
  return async ({ nth }) => (nth <= 2 && random.chance(1 / 3) ? { later_s: random.below(2) } : 'taken')
}

type Life = {
  deployment: Deployment
  carrier: WatchingCarrier
  random: Random
  service: Service
  messages: Map<string, Sent>
  calls: Sent[]
}

async function live(life: Life, pair: [string, string]) {
  const { deployment, random, service } = life
  const conversation = await converse(random.pick(deployment.servers).api, service, pair)
  const ends_at = Date.now() + LIFE_MS + random.below(LIFE_MS)
  const { api } = random.pick(deployment.servers)
  await api.post(conversation.path, [['DateExpiry', new Date(ends_at).toISOString()]])
  const moments = MOMENTS.map(([from, to]) => ends_at + from + random.below(to - from))
  const callAt = ends_at - 500 + random.below(1000)
  await Promise.all([
    ...moments.map((moment) => comeIn(life, conversation, 'message', moment, ends_at)),
    comeIn(life, conversation, 'call', callAt, ends_at),
  ])
}

async function comeIn(
  { deployment, carrier, random, messages, calls }: Life,
  { alice, bob }: Conversation,
  kind: Sent['kind'],
  moment: number,
  ends_at: number,
) {
  await delay(Math.max(0, moment - Date.now()))
  const from = random.chance(0.5) ? alice : bob
  const sid = vendorSid(kind === 'message' ? 'SM' : 'CA')
  const inbound = { from: from.identifier, to: from.proxy, body: sid, sid }
  const { door } = random.pick(deployment.servers)
  const sent: Sent = { kind, posted_at: Date.now(), ends_at, dialled: false }
  if (kind === 'message') messages.set(sid, sent)
  else calls.push(sent)
  const { text } = await untilTaken(() => carrier[kind === 'message' ? 'text' : 'call'](door, inbound))
  sent.dialled = dialledBy(text) !== undefined
}

async function judge(
  deployment: Deployment,
  { arrivals }: WatchingCarrier,
  { sessions, messages, calls }: { sessions: number; messages: Map<string, Sent>; calls: Sent[] },
): Promise<Outcome> {
  const claims = await readClaims(deployment.pool)
  const counts = { posted: 0, claimed: 0, dialled: 0, inTime: 0 }
  for (const { sid, nth, body } of arrivals) {
    const sent = messages.get(body)
    const claim = claims.get(sid)?.[nth - 1]
    if (!sent || !claim) throw new Error(`the carrier was asked to send ${sid}, which nobody claimed`)
    if (sent.posted_at > sent.ends_at) counts.posted++
    else if (claim.judged_at >= sent.ends_at) counts.claimed++
    else counts.inTime++
  }
  const isPast = (sent: Sent) => sent.posted_at > sent.ends_at
  counts.dialled = calls.filter((call) => call.dialled && isPast(call)).length
  const { rows } = await deployment.pool.query(`select pg_try_advisory_lock(${SWEEP}) as could_sweep`)
  if (rows[0].could_sweep) throw new Error('the servers could sweep, so this says nothing of the look-up')
  const all = [...messages.values()]
  if (counts.inTime === 0 || !all.some(isPast)) throw new Error('no message came in time, or none too late')
  return {
    sessions,
    late: counts.posted + counts.claimed + counts.dialled,
    details: [
      `${all.length} messages, ${all.filter(isPast).length} of them after the end, and ${calls.length} calls, ${calls.filter(isPast).length} after`,
      `${arrivals.length} tries at the carrier: ${counts.inTime} in time, ${counts.posted} of messages that came after the end, ` +
        `${counts.claimed} claimed after it; ${counts.dialled} calls put through after it`,
      ...loggedErrors(deployment),
    ],
  }
}
