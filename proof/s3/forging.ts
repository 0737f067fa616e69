import type { Random } from '../random.ts'
import type { Rule } from './evidence.ts'
import type { Change, Entry, History, Leg, Span, Told } from './history.ts'
import { findPlaces, metOnlyHere, type Places, type Plain, strangerTo, textsIn } from './places.ts'

/** A history of a server that breaks a promise, made from one of a server that keeps them. */
export type Forgery = {
  name: string
  /** What the checker has to report, among others perhaps. */
  rule: Rule
  /** Undefined where this history has no place for it. */
  forge: (history: History, random: Random) => History | undefined
}

export type Place = { history: History; random: Random; places: Places }

export const forgery = (name: string, rule: Rule, forge: (place: Place) => History | undefined): Forgery => ({
  name,
  rule,
  forge: (history, random) => forge({ history, random, places: findPlaces(history) }),
})

/** Forges at one of these, drawn among those where it can be done. */
export function somewhere<Item>(
  { random }: Place,
  list: Item[],
  forge: (item: Item) => History | undefined,
): History | undefined {
  const first = random.below(Math.max(1, list.length))
  for (const item of [...list.slice(first), ...list.slice(0, first)]) {
    const forged = forge(item)
    if (forged) return forged
  }
  return undefined
}

/** At a message that was sent once. */
export function atSomeLeg(place: Place, forge: (leg: Leg, told: Told) => History | undefined): History | undefined {
  const { told, legs } = place.places
  return somewhere(place, [...legs.values()], ([leg, more]) => {
    const first = leg && told.get(leg.event)?.[0]
    const isSent = leg && !more && leg.status !== undefined && leg.status < 300
    return isSent && first ? forge(leg, first) : undefined
  })
}

export const atSomePlain = (place: Place, forge: (plain: Plain) => History | undefined): History | undefined =>
  somewhere(place, place.places.plain, forge)

/** At a message of a session that was ended for good, by two who met in no other by these numbers. */
export const atSomeEnded = (place: Place, forge: (plain: Plain, leg: Leg, told: Told) => History | undefined) =>
  atSomePlain(place, (plain) => {
    const [text] = plain.isEnded && metOnlyHere(place.places, plain) ? textsIn(place.places, plain) : []
    return text && forge(plain, text.leg, text.told)
  })

export const atSomeCall = (
  place: Place,
  forge: (call: Told, dials: NonNullable<Told['dials']>) => History | undefined,
) =>
  somewhere(place, [...place.places.told.values()].flat(), (call) => (call.dials ? forge(call, call.dials) : undefined))

export const replace = ({ history }: Place, entry: Entry, by: Entry): History =>
  history.map((each) => (each === entry ? by : each))

export const without = ({ history }: Place, entry: Entry): History => history.filter((each) => each !== entry)

export const shortly = (after: number): Span => ({ began_at: after + 5, ended_at: after + 10 })

/** A session of one of these two with somebody else, on the same number. */
export function meetSomebodyElse(place: Place, plain: Plain, span: Span): History | undefined {
  const [one, other] = plain.members
  const stranger = strangerTo(place.places, one.identifier)
  if (!stranger) return undefined
  const opened: Change = {
    ...{ type: 'change', what: 'open', outcome: 'done', status: 201, ...span },
    ...{ service: plain.service, session: `${plain.name}-forged`, ends_at: null },
    identifiers: [one.identifier, stranger],
    members: [
      { ...one, sid: `${one.sid}-forged` },
      { sid: `${other.sid}-forged`, identifier: stranger, proxy: other.proxy },
    ],
  }
  return [...place.history, opened]
}
