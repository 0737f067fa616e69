import { vendorSid } from '../test/support/twilio-numbers.ts'
import { drawPeople } from './people.ts'
import type { Proof } from './proof.ts'
import { createRandom, type Random } from './random.ts'
import { type Break, programWith } from './support/broken-copy.ts'
import {
  type Conversation,
  converse,
  type Deployment,
  loggedErrors,
  makeService,
  settled,
  startDeployment,
  type Talker,
} from './support/deployment.ts'
import { inLanes, inScope, type Scope } from './support/scope.ts'
import { dialledBy, startWatchingCarrier, untilTaken, type WatchingCarrier } from './support/watching-carrier.ts'

/**
 * Carriers repeat what they tell us. Every message and every call is told five times at once, to two server processes in a
 * drawn order, and what counts is what the carrier was asked for: one leg each, to the partner.
 */
const COPIES = 5
const CONVERSATIONS = 20
const AT_ONCE = 8
const CONTROL = 100

type Event = { kind: 'message' | 'call'; sid: string; from: Talker; to: Talker; legs: Set<string>; strayed: number }
type Outcome = { events: number; legs: number; wrong: number; strayed: number; legless: number; details: string[] }

export const s10Repeats: Proof = {
  id: 'S10',
  name: 's10-repeats',
  promise: 'at most one leg per event of a carrier, however often and wherever it is told',
  goal: 'exactly one leg for every event',
  sizes: { short: 400, full: 2000, unit: 'events, messages and calls, five copies each' },
  async run({ size, seed, progress }) {
    const measured = await inScope((scope) => repeat(scope, { events: size, seed, progress }))
    const planted = Math.min(size, CONTROL)
    progress(`control: ${planted} events`)
    const control = await inScope((scope) => repeat(scope, { events: planted, seed, progress, breaks: NO_INDEX }))
    return {
      figure: describe(measured),
      holds: measured.legs === measured.events && isFine(measured),
      control: { figure: `${describe(control)} without the index`, fails: control.wrong > 0 },
      details: [...measured.details, ...control.details.map((detail) => `control: ${detail}`)],
    }
  },
}

/** Without the index the statement cannot name it, so that goes too. */
export const NO_INDEX: Break[] = [
  {
    file: 'db/statements/relay-event.ts',
    passage: '  on conflict (service_sid, carrier_sid, event_id) where event_id is not null do nothing\n',
    becomes: '',
  },
]

const describe = ({ legs, events }: Outcome) => `${legs} legs of ${events} events`
const isFine = ({ wrong, strayed, legless }: Outcome) => wrong === 0 && strayed === 0 && legless === 0

type Options = { events: number; seed: number; progress: (what: string) => void; breaks?: Break[] }

async function repeat(scope: Scope, { events: count, seed, progress, breaks }: Options): Promise<Outcome> {
  const random = createRandom(seed)
  const carrier = await startWatchingCarrier(scope)
  const server = programWith(scope, breaks)
  const deployment = await startDeployment(scope, {
    credentials: carrier.credentials,
    processes: [server, server],
    prepare: async (pool) => breaks && (await pool.query('drop index interactions_event')),
  })
  const conversations = await startConversations(deployment, random)
  const events = Array.from({ length: count }, (_, at) => drawEvent(random, conversations, at))
  let told = 0
  let legless = 0
  await inLanes(events, AT_ONCE, async (event) => {
    legless += await tell(deployment, carrier, random, event)
    if (++told % 100 === 0) progress(`${told} of ${count} events`)
  })
  await settled(deployment)
  addMessages(carrier, events)
  const legs = (kind: Event['kind']) => sum(events.filter((event) => event.kind === kind).map(({ legs }) => legs.size))
  const wrong = events.filter((event) => event.legs.size !== 1)
  const strayed = sum(events.map((event) => event.strayed))
  return {
    ...{ events: count, legs: legs('message') + legs('call'), wrong: wrong.length, strayed, legless },
    details: [
      `${legs('message')} legs of messages, ${legs('call')} of calls`,
      `${wrong.length} events with another number of legs than one, ${strayed} legs to somebody else`,
      `${legless} copies of calls were answered without a leg`,
      ...wrong.slice(0, 3).map(({ kind, sid, legs }) => `for example the ${kind} ${sid}: ${legs.size} legs`),
      ...loggedErrors(deployment),
    ],
  }
}

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)

async function startConversations({ servers }: Deployment, random: Random): Promise<[Conversation, ...Conversation[]]> {
  const [{ api }] = servers
  const service = await makeService(api, 2)
  const people = drawPeople(random, CONVERSATIONS * 2)
  const pair = (at: number): [string, string] => [people[2 * at] ?? '', people[2 * at + 1] ?? '']
  const conversations = [await converse(api, service, pair(0))] as [Conversation, ...Conversation[]]
  for (let at = 1; at < CONVERSATIONS; at++) conversations.push(await converse(api, service, pair(at)))
  return conversations
}

function drawEvent(random: Random, conversations: [Conversation, ...Conversation[]], at: number): Event {
  const { alice, bob } = random.pick(conversations)
  const [from, to] = random.chance(0.5) ? [alice, bob] : [bob, alice]
  const kind = at % 2 === 0 ? 'message' : 'call'
  return { kind, sid: vendorSid(kind === 'message' ? 'SM' : 'CA'), from, to, legs: new Set(), strayed: 0 }
}

/** Every copy at once; of how many calls' copies the answer was no leg. */
async function tell({ servers }: Deployment, carrier: WatchingCarrier, random: Random, event: Event): Promise<number> {
  const { kind, sid, from, to } = event
  const inbound = { from: from.identifier, to: from.proxy, body: sid, sid }
  const doors = Array.from({ length: COPIES }, () => random.pick(servers).door)
  const answers = await Promise.all(
    doors.map((door) => untilTaken(() => carrier[kind === 'message' ? 'text' : 'call'](door, inbound))),
  )
  if (kind === 'message') return 0
  const dialled = answers.flatMap(({ text }) => dialledBy(text) ?? [])
  for (const { number, sid: leg } of dialled) {
    event.legs.add(leg)
    if (number !== to.identifier) event.strayed++
  }
  return COPIES - dialled.length
}

/** What the carrier was asked to send. Every text is its event's SID, and no two requests are the same leg. */
function addMessages({ arrivals }: WatchingCarrier, events: Event[]) {
  const bySid = new Map(events.map((event) => [event.sid, event]))
  for (const { sid, nth, body, from, to } of arrivals) {
    const event = bySid.get(body)
    if (!event) throw new Error(`the carrier was asked to send what nobody wrote: ${body}`)
    event.legs.add(`${sid} ${nth}`)
    if (to !== event.to.identifier || from !== event.to.proxy) event.strayed++
  }
}
