import { vendorSid } from '../test/support/twilio-numbers.ts'
import type { Random } from './random.ts'
import { type Conversation, converse, type Deployment, type Service } from './support/deployment.ts'
import { signal } from './support/scope.ts'
import { type Arrival, dialledBy, untilTaken, type WatchingCarrier } from './support/watching-carrier.ts'

/** Where messages and closes meet: two servers, and a carrier that says what becomes of each try. */
export type RaceTrack = {
  deployment: Deployment
  carrier: WatchingCarrier
  service: Service
  random: Random
  newcomer: () => string
  /** What the carrier answers about a message, by whom it is to. */
  plans: Map<string, WatchingCarrier['answer']>
  races: Map<string, Race>
}

export type Race = {
  kind: keyof typeof KINDS | 'between the look and the claim' | 'as it comes back from the carrier'
  conversation: Conversation
  /** When the close was answered with success, in ms of this machine's clock. */
  closed_at: number
  /** Calls after that which were put through. */
  dialled: number
}

type Run = (track: RaceTrack, conversation: Conversation, close: () => Promise<void>) => Promise<void>

/** What every race begins with, and the close that its end is measured by. */
export async function startRace(track: RaceTrack, kind: Race['kind']) {
  const { deployment, service, random, newcomer, races } = track
  const { api } = random.pick(deployment.servers)
  const conversation = await converse(api, service, [newcomer(), newcomer()])
  const race: Race = { kind, conversation, closed_at: Number.POSITIVE_INFINITY, dialled: 0 }
  races.set(conversation.sid, race)
  const close = async () => {
    await random.pick(deployment.servers).api.post(conversation.path, [['Status', 'closed']])
    // The clock is read in whole milliseconds, and what happened within this one came before.
    race.closed_at = Date.now() + 1
  }
  return { race, conversation, close }
}

export async function runRace(track: RaceTrack, nth: number): Promise<void> {
  const { random } = track
  const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[]
  const kind = kinds[nth % kinds.length] ?? 'at the same time'
  const { race, conversation, close } = await startRace(track, kind)
  await KINDS[kind](track, conversation, close)
  if (random.chance(0.25)) await text(track, conversation.alice, LATE)
  if (random.chance(0.1)) await callLate(track, race)
}

/** The text of messages that are sent to a session whose close was answered. */
export const LATE = 'too late'

export const text = async (
  { carrier, deployment, random }: RaceTrack,
  from: Conversation['alice'],
  body = 'in time, perhaps',
): Promise<void> => {
  const inbound = { from: from.identifier, to: from.proxy, body, sid: vendorSid('SM') }
  await untilTaken(() => carrier.text(random.pick(deployment.servers).door, inbound))
}

async function callLate({ carrier, deployment, random }: RaceTrack, race: Race) {
  const { identifier, proxy } = race.conversation.bob
  const call = { from: identifier, to: proxy, sid: vendorSid('CA') }
  const { text } = await untilTaken(() => carrier.call(random.pick(deployment.servers).door, call))
  if (dialledBy(text)) race.dialled++
}

const failing = (times: number) => async (arrival: Arrival) => (arrival.nth <= times ? { later_s: 0 } : 'taken')

const KINDS = {
  async 'at the same time'(track, { alice, bob }, close) {
    track.plans.set(bob.identifier, failing(track.random.below(3)))
    track.plans.set(alice.identifier, failing(track.random.below(3)))
    await Promise.all([text(track, alice), text(track, bob), close()])
  },
  async 'once the message is taken'(track, { alice, bob }, close) {
    track.plans.set(bob.identifier, failing(track.random.below(3)))
    await text(track, alice)
    await close()
  },
  /** The carrier lets it wait until the close is answered, and then does not take it: it is queued after the close. */
  async 'while it is at the carrier'(track, { alice, bob }, close) {
    const arrived = signal()
    const closed = signal()
    track.plans.set(bob.identifier, async ({ nth }) => {
      if (nth > 1) return 'taken'
      arrived.send()
      await closed.received
      return { later_s: 0 }
    })
    await text(track, alice)
    await arrived.received
    await close().finally(closed.send)
  },
  async 'while it is queued again'(track, { alice, bob }, close) {
    const failures = 1 + track.random.below(3)
    const failed = signal()
    track.plans.set(bob.identifier, async ({ nth }) => {
      if (nth === failures) failed.send()
      return nth <= failures ? { later_s: 0 } : 'taken'
    })
    await text(track, alice)
    await failed.received
    await close()
  },
} satisfies Record<string, Run>
