import type { ReceivedRequest } from '../../test/support/receiver.ts'
import { type Account, makeAccount, poolNumber, type TestServer } from '../../test/support/server.ts'
import { startTwilioServer, type TwilioServer } from '../../test/support/twilio-server.ts'
import { createLeakScan } from '../leak-scan.ts'
import { drawPeople } from '../people.ts'
import { createRandom, type Random } from '../random.ts'
import { withTappedServer } from './answers.ts'
import { type Application, startApplication } from './application.ts'
import { type Client, clientOf } from './client.ts'
import { plantLeaks } from './leaks.ts'
import { createTaps, type Taps } from './taps.ts'

/**
 * A whole server with everything on it that calls can meet: an account at the stand-in for Twilio, one on the simulated
 * network, the same services at both, the customer's application, and taps everywhere.
 */
export type World = Case & {
  taps: Taps
  server: TestServer
  twilio: TwilioServer['twilio']
  application: Application
  /** Who may be dialled on whose behalf, both ways. */
  acquaint: (one: string, other: string) => void
  atTwilio: Side
  atSimulator: Side
  /** How often each thing happened. */
  counts: Map<string, number>
  count: (what: string) => void
  /** The next case. */
  nextCase: () => Case
  stop: () => Promise<void>
}

/** What one call or several of the same people are drawn from: whatever else goes on meanwhile, it draws the same. */
export type Case = {
  random: Random
  /** Somebody who has not been in this world before. */
  newcomer: () => string
}

/** An account, its services by name, and their numbers. */
export type Side = { account: Account; client: Client; pools: Record<ServiceName, Pool> }
export type Pool = { sid: string; numbers: [string, string, string] }
export type Talker = { identifier: string; proxy: string }

export const LAST_MINUTE = 'One minute is left.'

/** The services of an account: what they are created with, and what is set afterwards. */
const serviceParams = (application: string, about: string) => {
  const callbacks = { CallbackUrl: `${application}/status${about}` }
  const recorded = { Recording: 'true', RecordingAnnouncement: 'We record this.', SpeechLanguage: 'de-DE' }
  const spoken = { Greeting: 'Moment, please.', Whisper: 'A customer calls.', Voicemail: 'Speak after the tone.' }
  return {
    plain: [{}, {}],
    told: [{ ...callbacks, InterceptCallbackUrl: `${application}/allow${about}` }, { RingTimeout: '12' }],
    rich: [callbacks, { ...recorded, ...spoken }],
    late: [callbacks, { ...recorded, MaxDuration: '61', LastMinuteAnnouncement: LAST_MINUTE }],
    blocked: [{ ...callbacks, InterceptCallbackUrl: `${application}/block${about}` }, {}],
    outside: [{ ...callbacks, OutOfSessionCallbackUrl: `${application}/app/outside${about}` }, {}],
  } satisfies Record<string, [Record<string, string>, Record<string, string>]>
}
export type ServiceName = keyof ReturnType<typeof serviceParams>

const MOST_IN_A_CASE = 4

let numbered = 0
const newNumber = () => poolNumber(numbered++ % 9000)

export async function startWorld(random: Random, options: { people: number; leaks: 'none' | 'planted' }) {
  const cleanups: (() => unknown)[] = []
  const cleanup = (stop: () => unknown) => void cleanups.push(stop)
  const stop = async () => {
    const problems: unknown[] = []
    for (const clean of cleanups.reverse()) await Promise.resolve(clean()).catch((error) => problems.push(error))
    if (problems.length > 0) throw problems[0]
  }
  try {
    return { ...(await assemble(random, options, cleanup)), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function assemble(
  random: Random,
  { people: count, leaks }: { people: number; leaks: 'none' | 'planted' },
  cleanup: (stop: () => unknown) => void,
): Promise<Omit<World, 'stop'>> {
  const people = drawPeople(random, count)
  const taps = createTaps(createLeakScan(people))
  const acquaintances = new Map<string, string[]>()
  const tap = {
    taps,
    mayDial: (caller: string) => acquaintances.get(caller) ?? [],
    plant: leaks === 'planted' ? plantLeaks() : undefined,
  }
  const env = { MASKLINE_LOG_LEVEL: 'debug', MASKLINE_NUMBER_VALIDATION: 'possible', MASKLINE_DB_POOL: '20' }
  const started = await withTappedServer(tap, () => startTwilioServer({ after: cleanup } as never, { env }))
  const { server, twilio } = started
  const counts = new Map<string, number>()
  const from = (some: string[]) => () => {
    const person = some.pop()
    if (!person) throw new Error('there are not enough people in this world')
    return person
  }
  const newcomer = from(people)
  const world = {
    ...{ random, taps, server, twilio, counts, newcomer },
    nextCase: () => ({ random: createRandom(random.below(2 ** 31)), newcomer: from(people.splice(0, MOST_IN_A_CASE)) }),
    count: (what: string) => void counts.set(what, (counts.get(what) ?? 0) + 1),
    acquaint(one: string, other: string) {
      for (const [a, b] of [[one, other] as const, [other, one] as const]) {
        acquaintances.set(a, [...(acquaintances.get(a) ?? []), b])
      }
    },
  }
  const application = await startApplication(cleanup, {
    callback: (kind, request) => lookAtCallback(world, kind, request),
  })
  const about = leaks === 'planted' ? `?about=${encodeURIComponent(people[0] ?? '')}` : ''
  const atTwilio = await startSide(world, server.account, 'twilio', application.url, about)
  const simulated = await makeAccount(server.store)
  const atSimulator = await startSide(world, simulated, 'simulator', application.url, about)
  return { ...world, application, atTwilio, atSimulator }
}

/** The one that asks about a stranger says who that is, which also shows that what comes here is looked at. */
function lookAtCallback(
  { taps, count }: Pick<World, 'taps' | 'count'>,
  kind: 'status' | 'intercept' | 'outside',
  { target, headers, body }: ReceivedRequest,
) {
  const text = JSON.stringify([target, headers, body])
  if (kind !== 'outside') taps.look(kind === 'status' ? 'status callbacks' : 'intercept callbacks', text)
  else if (taps.peopleIn(text).length > 0) count('out-of-session callbacks that say who calls')
}

async function startSide(
  { server, twilio }: Pick<World, 'server' | 'twilio'>,
  account: Account,
  kind: 'twilio' | 'simulator',
  application: string,
  about: string,
): Promise<Side> {
  const client = clientOf(server.direct, account)
  const pools: [string, Pool][] = []
  for (const [name, [params, settings]] of Object.entries(serviceParams(application, about))) {
    const unique: [string, string] = ['UniqueName', `${name}-${kind}`]
    const { sid } = await client.post('/v1/Services', [unique, ...Object.entries(params)])
    await client.post(`/maskline/v1/Services/${sid}/Settings`, Object.entries(settings))
    const add = async () => {
      const phone_number = newNumber()
      if (kind === 'twilio') twilio.addNumber({ phone_number })
      await client.post(`/v1/Services/${sid}/PhoneNumbers`, [['PhoneNumber', phone_number]])
      return phone_number
    }
    pools.push([name, { sid, numbers: [await add(), await add(), await add()] }])
  }
  return { account, client, pools: Object.fromEntries(pools) as Side['pools'] }
}

export type Conversation = { session: string; alice: Talker; bob: Talker }

/** Two newcomers in a session, each on a number of their own. */
export async function converse(
  { newcomer, acquaint }: World,
  { client, pools }: Side,
  service: ServiceName,
  params: [name: string, value: string][] = [],
): Promise<Conversation> {
  const pool = pools[service]
  const alice = { identifier: newcomer(), proxy: pool.numbers[0] }
  const bob = { identifier: newcomer(), proxy: pool.numbers[1] }
  acquaint(alice.identifier, bob.identifier)
  const participants = [alice, bob].map(({ identifier, proxy }): [string, string] => [
    'Participants',
    JSON.stringify({ Identifier: identifier, ProxyIdentifier: proxy }),
  ])
  const { sid } = await client.post(`/v1/Services/${pool.sid}/Sessions`, [...params, ...participants])
  return { session: `/v1/Services/${pool.sid}/Sessions/${sid}`, alice, bob }
}
