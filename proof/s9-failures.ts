import type { TestContext } from 'node:test'
import { startCuttableLine } from '../test/support/cuttable-line.ts'
import { startReceiver } from '../test/support/receiver.ts'
import { eventually } from '../test/support/server.ts'
import { vendorSid } from '../test/support/twilio-numbers.ts'
import { drawPeople } from './people.ts'
import type { Proof } from './proof.ts'
import { createRandom, type Random } from './random.ts'
import { GUESSES } from './s9-guesses.ts'
import { type Break, copyProgram } from './support/broken-copy.ts'
import {
  type Conversation,
  converse,
  type Deployment,
  makeService,
  settled,
  startDeployment,
} from './support/deployment.ts'
import { allOf, inLanes, inScope, type Scope } from './support/scope.ts'
import { dialledBy, startWatchingCarrier, type WatchingCarrier } from './support/watching-carrier.ts'

/**
 * What the servers do when they cannot look somebody up: the line to the database is cut, or the statement itself fails,
 * and the carrier tells of messages and calls; everybody in them has been relayed before, so that there is something to
 * guess from. Then the line is cut and mended at random while a carrier repeats what was not taken. And what they do when
 * the customer's intercept does not answer: let it pass.
 */
const CONVERSATIONS = 12
const AT_ONCE = 12
const INTERCEPT_TIMEOUT_MS = 300
const CONTROL = 90

export const s9Failures: Proof = {
  id: 'S9',
  name: 's9-failures',
  promise: 'nothing is sent when the look-up fails, and an intercept that does not answer lets a message pass',
  goal: '0 sends and always 503 when the look-up fails; all of it sent when the intercept does not answer',
  sizes: { short: 240, full: 3000, unit: 'messages and calls that meet a failure' },
  async run({ size, seed, progress }) {
    const measured = await inScope((scope) => fail(scope, { events: size, seed, progress }))
    progress('control')
    const planted = Math.min(size, CONTROL)
    const control = await inScope((scope) => fail(scope, { events: planted, seed, progress, breaks: GUESSES }))
    return {
      figure: describe(measured),
      holds: measured.sent + measured.taken + measured.wrong + measured.stopped + measured.passed === 0,
      control: {
        figure: `${describe(control)}, of a server that guesses and takes silence for no`,
        fails: control.sent > 0 && control.taken > 0 && control.stopped > 0,
      },
      details: [
        ...measured.details,
        'a service cannot be set to stop what its intercept does not answer for: that half of the promise has no proof yet',
        ...control.details.map((detail) => `control: ${detail}`),
      ],
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
  details: string[]
}

const describe = ({ sent, taken, stopped, events }: Outcome) =>
  `${sent} sends and ${taken} without 503 when the look-up failed, ${stopped} stopped by a silent intercept, of ${events}`

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
  const silent = await tellAll(scene, scene.silent, Math.ceil(share / 2))
  const blocked = await tellAll(scene, scene.blocked, Math.ceil(share / 2))
  await settled(scene.deployment, 300_000)
  return judge(scene, { failed, repeated, silent, blocked })
}

async function startScene(scope: Scope, { seed, breaks }: Options) {
  const random = createRandom(seed)
  const carrier = await startWatchingCarrier(scope)
  const server = breaks ? { folder: copyProgram(scope, breaks) } : {}
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
  const customer = await startReceiver(scope as unknown as TestContext, ({ target }) =>
    target.startsWith('/no') ? { status: 403 } : new Promise(() => undefined),
  )
  const people = drawPeople(random, 6 * CONVERSATIONS)
  const start = async (intercept?: string) => {
    const [{ api }] = deployment.servers
    const params: [string, string][] = intercept ? [['InterceptCallbackUrl', customer.url + intercept]] : []
    const service = await makeService(api, 2, params)
    const conversations: Conversation[] = []
    for (let at = 0; at < CONVERSATIONS; at++) {
      conversations.push(await converse(api, service, [people.pop() ?? '', people.pop() ?? '']))
    }
    return conversations as [Conversation, ...Conversation[]]
  }
  const scene = {
    ...{ deployment, carrier, random, line },
    ...{ plain: await start(), silent: await start('/silence'), blocked: await start('/no') },
  }
  for (const { door } of deployment.servers) await warmUp(scene, door)
  await settled(deployment)
  return scene
}

/** Everybody has been relayed by every server before, so there is something to guess from. */
async function warmUp(
  { carrier, plain }: { carrier: WatchingCarrier; plain: [Conversation, ...Conversation[]] },
  door: string,
) {
  for (const { alice, bob } of plain) {
    for (const { identifier, proxy } of [alice, bob]) {
      await carrier.text(door, { from: identifier, to: proxy, body: 'hello', sid: vendorSid('SM') })
    }
  }
}

function draw(random: Random, among: [Conversation, ...Conversation[]]) {
  const { alice, bob } = random.pick(among)
  const [from, to] = random.chance(0.5) ? [alice, bob] : [bob, alice]
  const kind = random.chance(0.7) ? 'message' : 'call'
  const told: Told = { kind, sid: vendorSid(kind === 'message' ? 'SM' : 'CA'), to, statuses: [], dialled: [] }
  return { told, inbound: { from: from.identifier, to: from.proxy, body: told.sid, sid: told.sid } }
}

/** The carrier tells of so many, all at once and of each once. */
async function tellAll(scene: Scene, among: [Conversation, ...Conversation[]], count: number): Promise<Told[]> {
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
  { failed, repeated, silent, blocked }: Record<'failed' | 'repeated' | 'silent' | 'blocked', Told[]>,
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
  return {
    events: failed.length + repeated.length + silent.length + blocked.length,
    sent: sum(failed),
    taken: taken.length,
    wrong: repeated.filter((told) => !isRight(told)).length,
    stopped: silent.filter((told) => !isRight(told)).length,
    passed: sum(blocked),
    details: [
      `${failed.length} without a look-up: ${sum(failed)} legs, ${taken.length} not answered with 503`,
      `${repeated.length} on a shaky line, told ${repeated.reduce((n, told) => n + told.statuses.length, 0)} times: ` +
        `${repeated.filter((told) => !isRight(told)).length} without exactly one leg to the partner`,
      `${silent.length} with an intercept that does not answer: ${silent.filter(isRight).length} went through`,
      `${blocked.length} with one that says no: ${sum(blocked)} legs`,
      ...taken.slice(0, 3).map(({ kind, statuses }) => `for example a ${kind} was answered with ${statuses}`),
    ],
  }
}
