import { createLeakScan } from '../leak-scan.ts'
import type { Anomaly, Evidence } from './evidence.ts'

/** I3: nobody's number is in what the partner or an error shows. The partner's own has to be where the carrier needs it. */
export function checkShown(evidence: Evidence): Anomaly[] {
  const scan = createLeakScan([...findPeople(evidence)])
  return evidence.history.flatMap((entry): Anomaly[] => {
    if (entry.type !== 'shown') return []
    const event = entry.to === 'partner' ? evidence.events.get(entry.of) : undefined
    const theirs = new Set([
      ...(event?.legs ?? []).map((leg) => leg.to),
      ...(event?.told ?? []).flatMap(({ dials }) => (dials ? [dials.number] : [])),
    ])
    const leaks = scan(entry.text).filter(({ person }) => !theirs.has(person))
    if (leaks.length === 0) return []
    const what = leaks.map(({ person, as }) => `${person} (${as})`).join(', ')
    const where = entry.to === 'partner' ? `the partner was shown of ${entry.of}` : `an error about ${entry.of} showed`
    const says = `At ${evidence.time(entry.at)} ${where} ${what}.`
    return [{ rule: 'I3', at: entry.at, says, entries: [entry] }]
  })
}

/** Whoever texted, called or was in a session; not our own numbers. */
function findPeople({ history, sessions, pools }: Evidence): Set<string> {
  const people = new Set<string>()
  for (const entry of history) if (entry.type === 'told') people.add(entry.from)
  for (const { lives } of sessions.values()) for (const { identifier } of lives) people.add(identifier)
  for (const entry of history) {
    if (entry.type === 'change' && entry.what === 'open') for (const each of entry.identifiers) people.add(each)
    if (entry.type === 'change' && entry.what === 'join') people.add(entry.identifier)
  }
  for (const number of pools.keys()) people.delete(number)
  for (const person of people) if (!/^\+\d{8,15}$/.test(person)) people.delete(person)
  return people
}
