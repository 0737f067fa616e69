import { startCuttableLine } from '../test/support/cuttable-line.ts'
import { eventually } from '../test/support/server.ts'
import { vendorSid } from '../test/support/twilio-numbers.ts'
import type { Proof } from './proof.ts'
import { createRandom, type Random } from './random.ts'
import { type Conversations, FAILURES, type Failure, startServices } from './s9-customer.ts'
import { GUESSES } from './s9-guesses.ts'
import { type Break, programWith } from './support/broken-copy.ts'
import { type Conversation, type Deployment, settled, startDeployment } from './support/deployment.ts'
import { allOf, inLanes, inScope, type Scope } from './support/scope.ts'
import { dialledBy, startWatchingCarrier, type WatchingCarrier } from './support/watching-carrier.ts'

/**
 * What the servers do when they cannot look somebody up: the line to the database is cut, or the statement itself fails,
 * and the carrier tells of messages and calls; everybody in them has been relayed before, so that there is something to
 * guess from. Then the line is cut and mended at random while a carrier repeats what was not taken. And what they do when
 * the customer's intercept does not answer: let it pass, or block it where the service is set so, in whichever of many ways
 * it fails.
 */
const AT_ONCE = 12
const INTERCEPT_TIMEOUT_MS = 300
const CONTROL = 90
/** How many a customer agrees to where a failure would block, to see that not everything is blocked. */
const AGREED = 4

export const s9Failures: Proof = {
  id: 'S9',
  name: 's9-failures',
  promise:
    'nothing is sent when the look-up fails, nor when an intercept fails where that blocks; elsewhere it stops nothing',
  goal: '0 sends and always 503 when the look-up fails; when an intercept fails all is sent, or nothing where that blocks',
  sizes: { short: 240, full: 3000, unit: 'messages and calls that meet a failure' },
  async run({ size, seed, progress }) {
    const measured = await inScope((scope) => fail(scope, { events: size, seed, progress }))
    progress('control')
    const planted = Math.min(size, CONTROL)
    const control = await inScope((scope) => fail(scope, { events: planted, seed, progress, breaks: GUESSES }))
    return {
      figure: describe(measured),
      holds:
        measured.sent + measured.taken + measured.wrong + measured.stopped + measured.passed + measured.unblocked === 0,
      control: {
        figure: `${describe(control)}, of a server that guesses and takes each setting for the other`,
        fails: control.sent > 0 && control.taken > 0 && control.stopped > 0 && control.unnoticed.length === 0,
      },
      details: [...measured.details, ...control.details.map((detail) => `control: ${detail}`)],
    }
  },
}

type Outcome = {
  events: number
  /** Of those whose look-up failed: legs, and those that were not answered with 503. */
  sent: number
  taken: number
  /** Of those that were repeated until they were taken: not exactly one leg, or not to the partner. */
  wrong: number
  /** Of those whose intercept did not answer: without a leg. And legs of those it said no to. */
  stopped: number
  passed: number
  /** Of those whose intercept failed where that blocks: legs. And the ways to fail that let nothing through. */
  unblocked: number
  unnoticed: Failure[]
  details: string[]
}

const describe = ({ sent, taken, stopped, unblocked, events }: Outcome) =>
  `${sent} sends and ${taken} without 503 when the look-up failed; ${stopped} stopped by a silent intercept, ` +
  `${unblocked} sent past a failed one that blocks; of ${events}`

type Options = { events: number; seed: number; progress: (what: string) => void; breaks?: Break[] }
type Told = { kind: 'message' | 'call'; sid: string; to: Conversation['alice']; statuses: number[]; dialled: string[] }
type Scene = Awaited<ReturnType<typeof startScene>>

async function fail(scope: Scope, options: Options): Promise<Outcome> {
  const { events, progress } = options
  const scene = await startScene(scope, options)
  const share = Math.max(AT_ONCE, Math.floor(events / 3))
  // What was at the carrier when the line broke is taken up again after some time, so this comes first; the control goes
  // without.
  const repeated = options.breaks ? [] : await withShakyLine(scene, share)
  const failed: Told[] = []
  for (let done = 0; done < share; done += 2 * AT_ONCE) {
    failed.push(...(await withoutLine(scene, AT_ONCE)), ...(await withoutTable(scene, AT_ONCE)))
    progress(`${failed.length} of ${share} without a look-up`)
  }
  progress('the intercept')
  const quarter = Math.ceil(share / 4)
  const silent = await tellAll(scene, scene.silent, quarter)
  const blocked = await tellAll(scene, scene.blocked, quarter)
  const agreed = await tellAll(scene, scene.agreed, AGREED)
  const strict = new Map<Failure, Told[]>()
  for (const [failure, conversations] of scene.strict) {
    strict.set(failure, await tellAll(scene, conversations, Math.ceil((2 * quarter) / FAILURES.length)))
  }
  await settled(scene.deployment, 300_000)
  return judge(scene, { failed, repeated, silent, blocked, agreed }, strict)
}

async function startScene(scope: Scope, { seed, breaks }: Options) {
  const random = createRandom(seed)
  const carrier = await startWatchingCarrier(scope)
  const server = programWith(scope, breaks)
  let line: Awaited<ReturnType<typeof startCuttableLine>> | undefined
  const deployment = await startDeployment(scope, {
    credentials: carrier.credentials,
    processes: [server, server],
    env: { MASKLINE_INTERCEPT_TIMEOUT_MS: String(INTERCEPT_TIMEOUT_MS) },
    reach: async (database_url) => {
      const url = new URL(database_url)
      line = await startCuttableLine(scope, url)
      url.hostname = '127.0.0.1'
      url.port = String(line.port)
      return url.href
    },
  })
  if (!line) throw new Error('there is no line to cut')
  const services = await startServices(scope, deployment, random)
  const scene = { deployment, carrier, random, line, ...services }
  for (const { door } of deployment.servers) await warmUp(scene, door)
  await settled(deployment)
  return scene
}

/** Everybody has been relayed by every server before, so there is something to guess from. */
async function warmUp({ carrier, plain }: { carrier: WatchingCarrier; plain: Conversations }, door: string) {
  for (const { alice, bob } of plain) {
    for (const { identifier, proxy } of [alice, bob]) {
      await carrier.text(door, { from: identifier, to: proxy, body: 'hello', sid: vendorSid('SM') })
    }
  }
}

function draw(random: Random, among: Conversations) {
  const { alice, bob } = random.pick(among)
  const [from, to] = random.chance(0.5) ? [alice, bob] : [bob, alice]
  const kind = random.chance(0.7) ? 'message' : 'call'
  const told: Told = { kind, sid: vendorSid(kind === 'message' ? 'SM' : 'CA'), to, statuses: [], dialled: [] }
  return { told, inbound: { from: from.identifier, to: from.proxy, body: told.sid, sid: told.sid } }
}

/** The carrier tells of so many, all at once and of each once. */
async function tellAll(scene: Scene, among: Conversations, count: number): Promise<Told[]> {
  const drawn = Array.from({ length: count }, () => draw(scene.random, among))
  await inLanes(drawn, AT_ONCE, (each) => tell(scene, each))
  return drawn.map(({ told }) => told)
}

async function tell({ carrier, deployment, random }: Scene, { told, inbound }: ReturnType<typeof draw>) {
  const { door } = random.pick(deployment.servers)
  const { status, text } = await carrier[told.kind === 'message' ? 'text' : 'call'](door, inbound)
  told.statuses.push(status)
  const leg = dialledBy(text)
  if (leg) told.dialled.push(leg.number)
}

async function withoutLine(scene: Scene, count: number): Promise<Told[]> {
  scene.line.cut()
  try {
    return await tellAll(scene, scene.plain, count)
  } finally {
    scene.line.mend()
    await areBack(scene.deployment)
  }
}

async function withoutTable(scene: Scene, count: number): Promise<Told[]> {
  const { deployment } = scene
  await deployment.pool.query('alter table participants rename to participants_away')
  try {
    return await tellAll(scene, scene.plain, count)
  } finally {
    await deployment.pool.query('alter table participants_away rename to participants')
  }
}

const areBack = ({ servers }: Deployment) =>
  allOf(
    servers.map(({ api }) =>
      eventually(async () => (await api.ask('GET', '/v1/Services')).status === 200, 'the server is back', 30_000),
    ),
  )

/** The line is cut and mended at any moment, and the carrier repeats what was not taken, as carriers do. */
async function withShakyLine(scene: Scene, count: number): Promise<Told[]> {
  const { random, line, plain } = scene
  const drawn = Array.from({ length: count }, () => draw(random, plain))
  await inLanes(drawn, AT_ONCE, async (each) => {
    if (random.chance(0.15)) line.cut()
    await eventually(
      async () => {
        await tell(scene, each)
        line.mend()
        return each.told.statuses.at(-1) === 200
      },
      `the ${each.told.kind} is taken`,
      60_000,
    )
  })
  return drawn.map(({ told }) => told)
}

function judge(
  { carrier }: Scene,
  {
    failed,
    repeated,
    silent,
    blocked,
    agreed,
  }: Record<'failed' | 'repeated' | 'silent' | 'blocked' | 'agreed', Told[]>,
  strict: Map<Failure, Told[]>,
): Outcome {
  const legs = new Map<string, string[]>()
  for (const { body, to } of carrier.arrivals) legs.set(body, [...(legs.get(body) ?? []), to])
  const legsOf = ({ kind, sid, dialled }: Told) => (kind === 'message' ? (legs.get(sid) ?? []) : dialled)
  const sum = (all: Told[]) => all.reduce((total, told) => total + legsOf(told).length, 0)
  const isRight = (told: Told) => {
    const [to, ...more] = legsOf(told)
    // A call that is told again is answered as before: it is one leg.
    return to === told.to.identifier && (told.kind === 'call' || more.length === 0)
  }
  const taken = failed.filter(({ statuses }) => statuses.some((status) => status !== 503))
  const stopped = [...silent, ...agreed].filter((told) => !isRight(told))
  const all = [...strict.values()].flat()
  const unheard = [...silent, ...blocked, ...agreed, ...all].filter(({ statuses }) => String(statuses) !== '200')
  const wrong = [...repeated.filter((told) => !isRight(told)), ...unheard]
  return {
    events: [failed, repeated, silent, blocked, agreed, all].flat().length,
    sent: sum(failed),
    taken: taken.length,
    wrong: wrong.length,
    stopped: stopped.length,
    passed: sum(blocked),
    unblocked: sum(all),
    unnoticed: [...strict].flatMap(([failure, told]) => (sum(told) === 0 ? [failure] : [])),
    details: [
      `${failed.length} without a look-up: ${sum(failed)} legs, ${taken.length} not answered with 503`,
      `${repeated.length} on a shaky line, told ${repeated.reduce((n, told) => n + told.statuses.length, 0)} times: ` +
        `${repeated.filter((told) => !isRight(told)).length} without exactly one leg to the partner`,
      `${silent.length} with an intercept that does not answer: ${silent.filter(isRight).length} went through`,
      `${blocked.length} with one that says no: ${sum(blocked)} legs`,
      `${all.length} with one that fails where that blocks: ` +
        `${[...strict].map(([failure, told]) => `${failure} ${sum(told)} of ${told.length}`).join(', ')} went through`,
      `${agreed.length} with one that says yes there: ${agreed.filter(isRight).length} went through`,
      `${unheard.length} of those with an intercept were not answered with 200`,
      ...taken.slice(0, 3).map(({ kind, statuses }) => `for example a ${kind} was answered with ${statuses}`),
    ],
  }
}
