import { type Anomaly, type Event, type Evidence, isRefused, isTaken } from './evidence.ts'
import type { Found, Told } from './history.ts'
import { type Session, tracesOf } from './lives.ts'
import { covers, type Stretch } from './stretches.ts'

/**
 * What was acknowledged has come about: an event is on record and has its leg, a change is still there. Judged by what is
 * found at the end, when nothing is under way any more.
 */
export function checkEnd(evidence: Evidence): Anomaly[] {
  const recorded = findRecorded(evidence)
  return [
    ...[...evidence.events.values()].flatMap((event) => checkEvent(evidence, event, recorded)),
    ...[...evidence.sessions.values()].flatMap((session) => checkFound(evidence, session)),
    ...checkRecordedOnce(evidence, recorded),
    ...checkFoundPairs(evidence),
  ]
}

/** In which sessions each event is on record, once for each time. */
function findRecorded({ sessions }: Evidence): Map<string, string[]> {
  const recorded = new Map<string, string[]>()
  for (const { name, found } of sessions.values()) {
    for (const { event } of found?.interactions ?? []) recorded.set(event, [...(recorded.get(event) ?? []), name])
  }
  return recorded
}

/** A word that opts somebody out is not in the language of this history; every event is one to be put through. */
function checkEvent(evidence: Evidence, event: Event, recorded: Map<string, string[]>): Anomaly[] {
  const [first] = event.told
  const acknowledged = event.told.find(({ outcome }) => outcome === 'done')
  if (!first || !acknowledged) return []
  const { time } = evidence
  const lost = (says: string, session: Session): Anomaly => ({
    rule: 'lost',
    at: acknowledged.ended_at,
    says: `${event.name} of ${first.from} to ${first.to} was acknowledged at ${time(acknowledged.ended_at)}, ${says}.`,
    entries: [...event.told, ...event.legs, ...tracesOf(session)],
  })
  return evidence.pairings(first.from, first.to).flatMap(({ sender, live }): Anomaly[] => {
    const { session } = sender
    // Whichever telling it was that counted, it found the two there.
    if (!covers(live, first.began_at, acknowledged.ended_at)) return []
    const { found } = session
    if (!found) return []
    if (!recorded.get(event.name)?.includes(session.name))
      return [lost(`but ${session.name} has no record of it`, session)]
    if (event.asked.some(({ answer }) => answer === 'no' || answer === 'silence')) return []
    if (first.kind === 'call') {
      const isDialled = event.told.some(({ dials, outcome }) => dials !== null || outcome === 'unknown')
      return isDialled ? [] : [lost('and nobody was dialled', session)]
    }
    const isSettled = event.legs.some((leg) => isTaken(leg) || isRefused(leg))
    return isSettled || !covers(live, first.began_at, found.at) ? [] : [lost('and was never sent', session)]
  })
}

/** Reading takes its time, and a session may run out meanwhile. */
const READING_MS = 10_000

/** What was answered must agree with what is found. */
function checkFound({ time }: Evidence, session: Session): Anomaly[] {
  const { found, name } = session
  if (!found) return []
  const contradiction = (says: string): Anomaly => ({
    rule: 'lost',
    at: found.at,
    says: `${name} was found ${found.status} at ${time(found.at)}, ${says}.`,
    entries: tracesOf(session),
  })
  const isLive = found.status !== 'closed'
  const isOver = (over: Stretch[]) => covers(over, found.at - READING_MS, found.at)
  const isOn = (live: Stretch[]) => covers(live, found.at, found.at + READING_MS)
  if (isLive && isOver(session.over)) return [contradiction('which had surely ended')]
  if (!isLive && isOn(session.live)) return [contradiction('which nobody and nothing had ended')]
  return session.lives.flatMap((life) => {
    const isThere = found.members.some(({ identifier }) => identifier === life.identifier)
    if (isLive && isThere && isOver(life.over)) return [contradiction(`with ${life.identifier}, who had left`)]
    if (isLive && !isThere && isOn(life.live)) return [contradiction(`without ${life.identifier}`)]
    return []
  })
}

/** I8. A call that somebody sends to us anew is another interaction of the same call. */
function checkRecordedOnce({ events, time }: Evidence, recorded: Map<string, string[]>): Anomaly[] {
  return [...recorded].flatMap(([name, sessions]): Anomaly[] => {
    const told: Told[] = events.get(name)?.told ?? []
    const [first] = told
    if (sessions.length < 2 || first?.kind !== 'message') return []
    const says = `${name}, first told at ${time(first.began_at)}, is on record ${sessions.length} times, in ${sessions.join(', ')}.`
    return [{ rule: 'I8', at: first.began_at, says, entries: told }]
  })
}

/** I1, by what is there at the end. */
function checkFoundPairs({ sessions }: Evidence): Anomaly[] {
  const holders = new Map<string, Found>()
  return [...sessions.values()].flatMap(({ found }) => {
    if (!found || found.status === 'closed') return []
    return found.members.flatMap(({ identifier, proxy }): Anomaly[] => {
      const other = holders.get(`${proxy} ${identifier}`)
      holders.set(`${proxy} ${identifier}`, found)
      if (!other) return []
      const says = `${identifier} at ${proxy} was found in ${other.session} and ${found.session} at once.`
      return [{ rule: 'I1', at: found.at, says, entries: [other, found] }]
    })
  })
}
