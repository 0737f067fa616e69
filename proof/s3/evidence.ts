import type { Asked, Entry, History, Leg, ServiceRules, Told } from './history.ts'
import { findPairings, findSessions, type Pairing, type Session } from './lives.ts'
import { findPools, type Pool } from './pools.ts'

/** I1 to I8 are those of docs/safety.md. */
export type Rule = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'intercept' | 'lost'

export type Anomaly = {
  rule: Rule
  at: number
  /** One sentence. */
  says: string
  /** Those that contradict each other. */
  entries: Entry[]
}

/** A history in the order of its times, with all that the rules look up in it. */
export type Evidence = {
  history: History
  sessions: Map<string, Session>
  /** Those by which somebody may have reached somebody else by a number, whenever that was. */
  pairings: (from: string, to: string) => Pairing[]
  events: Map<string, Event>
  pools: Map<string, Pool[]>
  rules: Map<string, ServiceRules>
  /** In words, from the beginning of the history on. */
  time: (at: number) => string
}

/** All that is known of one event of the carrier; what was refused did not happen. */
export type Event = { name: string; told: Told[]; legs: Leg[]; asked: Asked[] }

export function weigh(unsorted: History): Evidence {
  const history = unsorted.toSorted((one, other) => startOf(one) - startOf(other))
  const sessions = findSessions(history)
  const beginning = history[0] ? startOf(history[0]) : 0
  const services = history.flatMap((entry) =>
    entry.type === 'change' && entry.what === 'service' && entry.outcome !== 'refused' ? [entry.service] : [],
  )
  return {
    history,
    sessions,
    pairings: findPairings(sessions.values()),
    events: findEvents(history),
    pools: findPools(history),
    rules: new Map(services.map((service) => [service.sid, service])),
    time: (at) => `${((at - beginning) / 1000).toFixed(3)} s`,
  }
}

export const startOf = (entry: Entry): number => ('at' in entry ? entry.at : entry.began_at)

function findEvents(history: History): Map<string, Event> {
  const events = new Map<string, Event>()
  const of = (name: string) => {
    const event = events.get(name) ?? { name, told: [], legs: [], asked: [] }
    events.set(name, event)
    return event
  }
  for (const entry of history) {
    if (entry.type === 'told' && entry.outcome !== 'refused') of(entry.event).told.push(entry)
    if (entry.type === 'leg') of(entry.event).legs.push(entry)
    if (entry.type === 'asked') of(entry.event).asked.push(entry)
  }
  return events
}

export const isTaken = ({ is_taken, status = 0 }: Leg): boolean => is_taken ?? (status >= 200 && status < 300)

/** Who said this again when asked again: these say nothing about the message itself. */
const TRY_AGAIN = [401, 408, 429]

/** Whether the carrier will never take it. */
export const isRefused = ({ status = 0 }: Leg): boolean => status >= 400 && status < 500 && !TRY_AGAIN.includes(status)
