import type { Anomaly, Evidence } from './evidence.ts'
import { CLOCK_MS, type Life, tracesOf } from './lives.ts'
import type { Pool } from './pools.ts'
import { both, covers, lastOutside, type Stretch } from './stretches.ts'

/** I1, I5 and I6: who has which number. */
export function checkNumbers(evidence: Evidence): Anomaly[] {
  const holders = new Map<string, Life[]>()
  const byPerson = new Map<string, Life[]>()
  for (const life of [...evidence.sessions.values()].flatMap(({ lives }) => lives)) {
    push(byPerson, life.identifier, life)
    if (life.proxy !== undefined) push(holders, `${life.proxy} ${life.identifier}`, life)
  }
  return [
    ...[...holders.values()].flatMap((lives) => checkSole(evidence, lives)),
    ...[...holders.values()].flatMap((lives) => checkCoolDown(evidence, lives, byPerson)),
    ...[...evidence.pools.values()].flatMap((pools) => checkPools(evidence, pools)),
    ...[...holders.values()].flat().flatMap((life) => checkPooled(evidence, life)),
  ]
}

function push<Item>(lists: Map<string, Item[]>, key: string, item: Item) {
  const list = lists.get(key)
  if (list) list.push(item)
  else lists.set(key, [item])
}

const pairOf = ({ identifier, proxy }: Life) => `${identifier} at ${proxy ?? 'some number'}`
const tracesOfAll = (...lives: Life[]) => lives.flatMap(({ session }) => tracesOf(session))

/** I1: in one session at a time. All of them are of one pair. */
function checkSole({ time }: Evidence, lives: Life[]): Anomaly[] {
  const stretches = lives.flatMap((life) => life.live.map((stretch) => ({ life, ...stretch })))
  stretches.sort((one, other) => one.from - other.from)
  const anomalies: Anomaly[] = []
  let longest = stretches[0]
  for (const next of stretches.slice(1)) {
    if (longest && next.from < longest.to && next.life !== longest.life) {
      const names = `${longest.life.session.name} and ${next.life.session.name}`
      const says = `${pairOf(next.life)} was in ${names} at once, at ${time(next.from)}.`
      anomalies.push({ rule: 'I1', at: next.from, says, entries: tracesOfAll(longest.life, next.life) })
    }
    if (!longest || next.to > longest.to) longest = next
  }
  return anomalies
}

/**
 * I5: whom one pair was given after whom. A release is at no time before the pair was surely live, so the time since then is
 * longer than the time since the release. Only within a service, since how long others count is a setting of the server.
 */
function checkCoolDown(evidence: Evidence, lives: Life[], byPerson: Map<string, Life[]>): Anomaly[] {
  return lives.flatMap((life) => {
    const rules = evidence.rules.get(life.session.service ?? '')
    if (!rules) return []
    return life.given.flatMap((given): Anomaly[] => {
      if (!given.isCertain) return []
      const since = given.hi + CLOCK_MS - rules.cool_down_ms
      const before = lives.find((other) => metOthers(other, life) && heldUntil(other, given) > since)
      if (!before) return []
      const instead = rules.cool_down_mode === 'strict' ? 'nobody' : suitable(evidence, life, given, byPerson)
      if (!instead) return []
      const why = instead === 'nobody' ? 'in a strict service' : `though ${instead} was free`
      const ago = `${pairOf(life)} was given to ${life.session.name} by ${evidence.time(given.hi)}, ${why}`
      const says = `${ago}, but was with somebody else in ${before.session.name} until ${evidence.time(heldUntil(before, given))}.`
      return [{ rule: 'I5', at: given.lo, says, entries: tracesOfAll(before, life) }]
    })
  })
}

/** Whether nobody of the one session was ever in the other but for this person, and there were others in both. */
function metOthers(one: Life, other: Life): boolean {
  if (one.session === other.session || one.session.service !== other.session.service) return false
  const [theirs, others] = [partnersOf(one), partnersOf(other)]
  return theirs.length > 0 && others.length > 0 && theirs.every((identifier) => !others.includes(identifier))
}

const partnersOf = (life: Life) =>
  life.session.lives.filter((other) => other !== life).map(({ identifier }) => identifier)

type Given = Life['given'][number]

/** The last moment before the pair was given anew at which it was surely in that session; minus infinity without one. */
const heldUntil = ({ live }: Life, { lo, hi }: Given) =>
  live
    .filter(({ from, to }) => from < lo && to <= hi)
    .reduce((last, { to }) => Math.max(last, to), Number.NEGATIVE_INFINITY)

/**
 * Another number that would surely have done: in the pool all the while, as near as the one that was given, and not in this
 * person's hands, however that may have been, within the cool-down.
 */
function suitable(evidence: Evidence, life: Life, given: Given, byPerson: Map<string, Life[]>): string | undefined {
  const { service } = life.session
  // Who named a number has chosen it, and a session that is opened again has its numbers.
  if (given.is_named || given.by === 'reopen') return undefined
  const cool_down_ms = evidence.rules.get(service ?? '')?.cool_down_ms ?? 0
  const theirs = byPerson.get(life.identifier) ?? []
  for (const [number, pools] of evidence.pools) {
    const pool = pools.find((each) => each.service === service)
    if (!pool || number === life.proxy || !isAsNear(number, life.proxy) || !covers(pool.in, given.lo, given.hi))
      continue
    const touched = theirs.some((other) => {
      if (other === life || (other.proxy !== undefined && other.proxy !== number)) return false
      const isTimed = other.session.service === service && !runsOut(other)
      const since = isTimed ? given.lo - cool_down_ms - CLOCK_MS : Number.NEGATIVE_INFINITY
      return lastOutside(other.over, given.hi + CLOCK_MS) > since
    })
    if (!touched) return number
  }
  return undefined
}

/** The numbers of such a session are released when somebody comes by, which may be long after its end. */
const runsOut = ({ session }: Life) =>
  session.changes.some((change) => 'ends_at' in change && (change.ends_at !== null || change.ttl_ms))

/** Of the same area, and so of the same country too. */
const AREA = 5
const isAsNear = (one: string, other = '') => one.slice(0, AREA) === other.slice(0, AREA)

/** I6: a number in one pool at a time. */
function checkPools({ time }: Evidence, pools: Pool[]): Anomaly[] {
  return pools.flatMap((one, nth) =>
    pools.slice(nth + 1).flatMap((other): Anomaly[] => {
      const [first] = both(one.in, other.in)
      if (!first) return []
      const says = `${one.number} was in the pools of ${one.service} and ${other.service} at once, at ${time(first.from)}.`
      return [{ rule: 'I6', at: first.from, says, entries: [...one.changes, ...other.changes] }]
    }),
  )
}

/** I6: a person has a number of their service's pool. It may not leave the pool while they have it. */
function checkPooled({ pools, rules, time }: Evidence, life: Life): Anomaly[] {
  const { service, name } = life.session
  if (!rules.has(service ?? '')) return []
  const known = pools.get(life.proxy ?? '') ?? []
  const pool = known.find((each) => each.service === service)
  const out: Stretch[] = pool?.out ?? [{ from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY }]
  const [held] = both(out, life.live)
  const given = life.given.find(({ isCertain, lo, hi }) => isCertain && covers(out, lo, hi))
  const at = held?.from ?? given?.hi
  if (at === undefined) return []
  const says = `${pairOf(life)} was in ${name} at ${time(at)}, and the number was not in the pool of ${service}.`
  return [{ rule: 'I6', at, says, entries: [...tracesOf(life.session), ...(pool?.changes ?? [])] }]
}
