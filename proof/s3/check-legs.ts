import { type Anomaly, type Event, type Evidence, isTaken } from './evidence.ts'
import type { Leg, Told } from './history.ts'
import { CLOCK_MS, type Pairing } from './lives.ts'
import { leavesRoom } from './stretches.ts'

/** What reached somebody, or was on the way to: a message that the carrier was asked to send, or a call that it was told to dial. */
type Reached = { entry: Leg | Told; from: string; to: string; began: number; judged: number }

/** I2, I4 and I7: to whom a leg went, and when. I8: that it went once. And that the customer had not forbidden it. */
export function checkLegs(evidence: Evidence): Anomaly[] {
  return [...evidence.events.values()].flatMap((event) => [
    ...reachedBy(event).flatMap((reached) => checkReached(evidence, event, reached) ?? []),
    ...checkOnce(evidence, event),
    ...checkIntercept(evidence, event),
  ])
}

/**
 * A message is judged at the moment when a server takes it up, whatever was before. A call is, at some moment while the
 * carrier waits for the answer.
 */
function reachedBy({ told, legs }: Event): Reached[] {
  const dialled = told.flatMap((entry) => {
    if (!entry.dials) return []
    const { number: to, caller_id: from } = entry.dials
    return [{ entry, from, to, began: entry.began_at, judged: entry.ended_at }]
  })
  const sent = legs.map((entry) => {
    const { from, to, began_at } = entry
    return { entry, from, to, began: began_at, judged: began_at }
  })
  return [...sent, ...dialled]
}

function checkReached(evidence: Evidence, event: Event, reached: Reached): Anomaly | undefined {
  const { entry, to, began, judged } = reached
  const { time } = evidence
  const report = (rule: Anomaly['rule'], why: string, pairings: Pairing[] = []): Anomaly => ({
    rule,
    at: judged,
    says: `${describe(event, reached)} at ${time(judged)}, ${why}.`,
    entries: [...new Set([...event.told, entry, ...pairings.flatMap(({ sender }) => sender.session.changes)])],
  })
  const [first] = event.told
  if (!first) return report('I7', 'but nobody told of this event')
  const pairings = evidence.pairings(first.from, first.to)
  // From when it was told on, until it was judged for the last time.
  const possible = pairings.filter(({ over }) => leavesRoom(over, first.began_at, Math.max(first.began_at, judged)))
  const sender = `${first.from} at ${first.to}`
  if (possible.length === 0)
    return report('I7', `when ${sender} had no partner since ${time(first.began_at)}`, pairings)
  const right = possible.filter(({ partner }) => partner.identifier === to && fits(evidence, partner, reached))
  if (right.length === 0) {
    const partners = possible.map(({ partner }) => `${partner.identifier} from ${partner.proxy ?? 'a number'}`)
    return report('I2', `when ${sender} could only reach ${[...new Set(partners)].join(' or ')}`, possible)
  }
  if (right.some(({ over }) => leavesRoom(over, began - CLOCK_MS, judged))) return undefined
  const names = right.map((pairing) => `${pairing.sender.session.name} since ${time(endOf(pairing, began))}`)
  return report('I4', `though that was over in ${names.join(', ')}`, right)
}

const describe = ({ name }: Event, { entry, from, to }: Reached) =>
  entry.type === 'leg' ? `${name} was sent to ${to} from ${from}` : `${name} dialled ${to} showing ${from}`

/** A number that no answer showed may be any of the pools'. */
const fits = ({ pools }: Evidence, partner: Pairing['partner'], { from }: Reached) =>
  partner.proxy === undefined ? pools.size === 0 || pools.has(from) : partner.proxy === from

const endOf = ({ over }: Pairing, at: number) => over.findLast(({ from }) => from < at)?.from ?? at

function checkOnce({ time }: Evidence, { name, told, legs }: Event): Anomaly[] {
  const anomalies: Anomaly[] = []
  const report = (at: number, says: string, entries: Anomaly['entries']) =>
    anomalies.push({ rule: 'I8', at, says, entries })
  const taken = legs.filter(isTaken)
  if (taken.length > 1) {
    const times = taken.map(({ began_at }) => time(began_at)).join(' and ')
    report(taken[1]?.began_at ?? 0, `${name} was sent ${taken.length} times, at ${times}.`, [...told, ...taken])
  }
  const dials = told.filter((entry) => entry.dials !== null)
  const whom = new Set(dials.map(({ dials }) => `${dials?.number} showing ${dials?.caller_id}`))
  if (whom.size > 1) report(dials[0]?.began_at ?? 0, `${name} dialled ${[...whom].join(', and ')}.`, dials)
  return anomalies
}

function checkIntercept({ time }: Evidence, { name, asked, legs, told }: Event): Anomaly[] {
  const [no] = asked
  if (!no || asked.some(({ answer }) => answer !== 'no')) return []
  const reached = [...legs, ...told.filter(({ dials }) => dials !== null)]
  const [first] = reached
  if (!first) return []
  const says = `${name} went on at ${time(first.began_at)}, though the customer said no at ${time(no.ended_at)}.`
  return [{ rule: 'intercept', at: first.began_at, says, entries: [...asked, ...reached] }]
}
