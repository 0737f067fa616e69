/**
 * The product as its rules say it is, in memory and in one thread: who is live in which session on which number, and what
 * follows from that. It shares no code with the core. Time is counted in whole hours, and everything runs out at half
 * past, so that the seconds that a run takes decide nothing.
 */
export type Mode = 'voice-and-message' | 'voice-only' | 'message-only'
export type Kind = 'message' | 'voice'
export type Member = { sid: string; person: string; number: string; removed: boolean }
export type Session = {
  service: number
  sid: string
  name: string | undefined
  mode: Mode
  ttl: number
  /** When the ttl began to count. */
  since: number
  expiry: number | undefined
  status: 'open' | 'in-progress' | 'closed'
  reason: 'api' | 'ttl' | 'date-expiry' | null
  members: Member[]
}

/**
 * `asking` the customer, `waiting` to be sent, `leaving` since it was claimed, in `doubt` whether the carrier has it, `left`,
 * or `over` without a leg. What is leaving or in doubt when its session closes has begun before.
 */
export type Leg = {
  sid: string
  kind: Kind
  session: Session
  from: Member | undefined
  to: Member
  carrier: number
  body: string
  state: 'asking' | 'waiting' | 'leaving' | 'doubt' | 'left' | 'over'
  /** Put off until time passes. */
  later: boolean
  tries: number
  statuses: string[]
  deleted: boolean
  /** The customer said no: there is no leg to be told of. */
  blocked: boolean
}

export type Arrival = { id: string; kind: Kind; carrier: number; from: string; to: string; body: string }
export type Model = {
  now: number
  sessions: Session[]
  legs: Leg[]
  arrivals: Arrival[]
  /** Arrivals that a service knows. */
  seen: Set<string>
  /** Arrivals that found nobody, by their interaction, until they are dealt with. */
  outside: Map<string, Arrival>
}

export type PoolNumber = {
  number: string
  service: number
  carrier: number
  country: 'US' | 'GB'
  voice: boolean
  reserved: boolean
}

const us = { country: 'US', voice: true, reserved: false } as const
export const NUMBERS: PoolNumber[] = [
  { number: '+12025550180', service: 0, carrier: 0, ...us },
  { number: '+12025550181', service: 0, carrier: 1, ...us },
  { number: '+12025550182', service: 0, carrier: 0, ...us, voice: false },
  { number: '+442079460183', service: 0, carrier: 0, ...us, country: 'GB' },
  { number: '+12025550184', service: 0, carrier: 0, ...us, reserved: true },
  { number: '+12025550185', service: 1, carrier: 0, ...us },
  { number: '+12025550186', service: 1, carrier: 1, ...us },
  { number: '+442079460187', service: 1, carrier: 0, ...us, country: 'GB', reserved: true },
]
export const PEOPLE = ['+14155550130', '+14155550131', '+14155550132', '+14155550133', '+442079460134', '+33199001135']
const OPT_OUT = /^\s*(stop|unsubscribe|end|cancel|quit|stopall|arrett|arret|arrete|unstop)\s*$/i
/** In the second service the customer is asked before anything goes to a partner. */
export const asksCustomer = (service: number) => service === 1
export const DEFAULT_TTL = [0, 5.5]

export const createModel = (): Model => ({
  now: 0,
  sessions: [],
  legs: [],
  arrivals: [],
  seen: new Set(),
  outside: new Map(),
})

export const isLive = (session: Session) => session.status !== 'closed'
export const present = (session: Session) => session.members.filter((member) => !member.removed)
export const mayLeave = ({ session, from, to, deleted }: Leg) =>
  isLive(session) && !to.removed && !from?.removed && !deleted
export const numberOf = (number: string) => NUMBERS.find((known) => known.number === number)

export function passTime(model: Model, hours: number): void {
  model.now += hours
  for (const leg of model.legs) leg.later = false
  runOut(model)
}

/** Whoever is due to end has ended, whether or not anybody has noticed. */
export function runOut(model: Model): void {
  for (const session of model.sessions.filter(isLive)) {
    const ends = session.expiry ?? (session.ttl > 0 ? session.since + session.ttl : Number.POSITIVE_INFINITY)
    if (ends <= model.now) close(model, session, session.expiry === undefined ? 'ttl' : 'date-expiry')
  }
}

export function close(model: Model, session: Session, reason: Session['reason']): void {
  Object.assign(session, { status: 'closed', reason })
  cancel(model, (leg) => leg.session === session)
}

export function remove(model: Model, member: Member): void {
  member.removed = true
  cancel(model, (leg) => leg.from === member || leg.to === member)
}

function cancel(model: Model, which: (leg: Leg) => boolean): void {
  const waits = ({ state }: Leg) => state === 'asking' || state === 'waiting'
  for (const leg of model.legs.filter(which)) if (waits(leg)) leg.state = 'over'
}

/** An interaction starts a session, and its ttl over. */
export const touch = (model: Model, session: Session) =>
  Object.assign(session, { status: 'in-progress', since: model.now })

export function reopen(
  model: Model,
  session: Session,
  change: { ttl?: number | undefined; expiry?: number | undefined },
) {
  const kept = session.expiry !== undefined && session.expiry > model.now ? session.expiry : undefined
  touch(model, session)
  Object.assign(session, { reason: null, ttl: change.ttl ?? session.ttl, expiry: change.expiry ?? kept })
}

/** The one live participant that this person is on this number. */
export function holder(model: Model, service: number, person: string, number: string, except?: Session) {
  for (const session of model.sessions.filter((each) => each.service === service && each !== except && isLive(each))) {
    const member = present(session).find((each) => each.person === person && each.number === number)
    if (member) return { session, member }
  }
  return undefined
}

export type Route =
  | { outcome: 'relayed'; session: Session; from: Member; to: Member }
  | { outcome: 'unknown-number' | 'duplicate' | 'opt-out' | 'out-of-session' | 'no-partner' | 'mode-mismatch' }

export const seenAs = (service: number, { carrier, id }: Arrival) => `${service} ${carrier} ${id}`

export function route(model: Model, arrival: Arrival): Route {
  const number = numberOf(arrival.to)
  if (number?.carrier !== arrival.carrier) return { outcome: 'unknown-number' }
  if (model.seen.has(seenAs(number.service, arrival))) return { outcome: 'duplicate' }
  if (arrival.kind === 'message' && OPT_OUT.test(arrival.body)) return { outcome: 'opt-out' }
  const found = holder(model, number.service, arrival.from, arrival.to)
  if (!found) return { outcome: 'out-of-session' }
  const to = present(found.session).find((member) => member !== found.member)
  if (!to) return { outcome: 'no-partner' }
  const refuses = arrival.kind === 'voice' ? 'message-only' : 'voice-only'
  if (found.session.mode === refuses) return { outcome: 'mode-mismatch' }
  return { outcome: 'relayed', session: found.session, from: found.member, to }
}

const suits = ({ voice }: PoolNumber, mode: Mode) => mode === 'message-only' || voice

/** The numbers that this person may be given; the spec leaves open which of them. */
export function freeNumbers(model: Model, service: number, mode: Mode, person: string): PoolNumber[] {
  return inCountry(service, mode, person).filter(
    ({ number, reserved }) => !reserved && !holder(model, service, person, number),
  )
}

const inCountry = (service: number, mode: Mode, person: string) =>
  NUMBERS.filter((each) => each.service === service && suits(each, mode) && each.number[1] === person[1])

/** Every reason to refuse this person; which of several is told first the spec leaves open, too. */
export function joinRefusals(
  model: Model,
  session: Pick<Session, 'service' | 'mode' | 'members' | 'status'>,
  { person, named }: { person: string; named: string | undefined },
): number[] {
  const { service, mode, members } = session
  const same = members.find((member) => member.person === person)
  const number = named === undefined ? undefined : numberOf(named)
  const isFull = members.filter((member) => !member.removed).length >= 2
  return [
    ...(session.status === 'closed' ? [80607] : []),
    ...(same ? [same.removed ? 80612 : 80103] : []),
    ...(isFull ? [80609] : []),
    ...(numberOf(person)?.service === service ? [80404] : []),
    ...(named === undefined ? choiceRefusals(model, service, mode, person) : []),
    ...(named !== undefined && !number ? [80304] : []),
    ...(number && number.service !== service ? [80605] : []),
    ...(number && !suits(number, mode) ? [80201] : []),
    ...(number && holder(model, service, person, number.number) ? [80604] : []),
  ]
}

function choiceRefusals(model: Model, service: number, mode: Mode, person: string): number[] {
  const near = inCountry(service, mode, person)
  if (near.length === 0) return [80203]
  if (near.every(({ reserved }) => reserved)) return [80207]
  return freeNumbers(model, service, mode, person).length === 0 ? [80208] : []
}

export const reopenRefusals = (model: Model, session: Session): number[] =>
  present(session).some(({ person, number }) => holder(model, session.service, person, number, session)) ? [80604] : []
