import type { Change, Ending, Entry, Found, History, Member } from './history.ts'
import { both, covers, either, type Stretch, type Switch, surely } from './stretches.ts'

/**
 * When each session was surely live and when it was surely not, and who was in it, from what clients asked and were answered.
 * In between, either may be true: an operation takes effect at any moment of its span, one without an answer at any
 * moment from its beginning on or never. What is found at the end settles some of these.
 */
export type Session = {
  name: string
  service: string | undefined
  changes: SessionChange[]
  found: Found | undefined
  lives: Life[]
  live: Stretch[]
  over: Stretch[]
}

/** Somebody in a session. */
export type Life = {
  session: Session
  identifier: string
  /** Undefined when no answer showed it: then it may be any. */
  proxy: string | undefined
  /** Operations that gave them the number, or gave it back with the session. */
  given: (Switch & { by: 'open' | 'join' | 'reopen'; is_named: boolean })[]
  live: Stretch[]
  over: Stretch[]
}

/** Two people in one session, as seen from one of them. */
export type Pairing = { sender: Life; partner: Life; live: Stretch[]; over: Stretch[] }

/** All that is known of it. */
export const tracesOf = ({ changes, found }: Session): Entry[] => (found ? [...changes, found] : changes)

/** The database's clock and ours are one, but each is read in its own way. */
export const CLOCK_MS = 1

/** Nothing is under way when the end is read. */
export const quietFrom = (history: History): number =>
  history.reduce(
    (quiet, entry) => (entry.type === 'found' ? Math.min(quiet, entry.at - 1) : quiet),
    Number.POSITIVE_INFINITY,
  )

export function findSessions(history: History): Map<string, Session> {
  const quiet = quietFrom(history)
  const changes = new Map<string, SessionChange[]>()
  const found = new Map<string, Found>()
  for (const entry of history) {
    if (entry.type === 'found') found.set(entry.session, entry)
    if (entry.type !== 'change' || !('session' in entry) || entry.outcome === 'refused') continue
    const known = changes.get(entry.session)
    if (known) known.push(entry)
    else changes.set(entry.session, [entry])
  }
  const names = new Set([...changes.keys(), ...found.keys()])
  return new Map([...names].map((name) => [name, findSession(name, changes.get(name) ?? [], found.get(name), quiet)]))
}

export type SessionChange = Extract<Change, { session: string }>
type Birth = Switch & Ending & { by: 'open' | 'reopen' }

function findSession(name: string, changes: SessionChange[], found: Found | undefined, quiet: number): Session {
  const opened = openings(changes, found, quiet)
  const switches = sessionSwitches(opened, changes, found, quiet)
  const session: Session = {
    name,
    service: changes.flatMap((change) => (change.what === 'open' ? [change.service] : []))[0] ?? found?.service,
    changes,
    found,
    lives: [],
    live: surely(true, switches),
    over: surely(false, switches),
  }
  session.lives = findLives(session, opened, quiet)
  return session
}

const isDone = (change: Change) => change.outcome === 'done'
const firstEnd = (changes: Change[]) => Math.min(Number.POSITIVE_INFINITY, ...changes.map(({ ended_at }) => ended_at))

/**
 * A name is opened once. Without an answer that says so, whatever was later done with the session, or that it is found at the
 * end, shows that it was.
 */
function openings(changes: SessionChange[], found: Found | undefined, quiet: number): Birth[] {
  const opens = changes.filter((change) => change.what === 'open')
  const done = opens.find(isDone)
  if (done) return [birthOf(done, done.began_at, done.ended_at, true)]
  const shown = Math.min(firstEnd(changes.filter(isDone)), found ? found.at - 1 : Number.POSITIVE_INFINITY)
  const isShown = shown < Number.POSITIVE_INFINITY
  if (opens.length === 0) {
    const birth = { on: true, by: 'open' as const, lo: Number.NEGATIVE_INFINITY, hi: shown, ends_at: null }
    return [{ ...birth, isCertain: isShown }]
  }
  const isOnly = isShown && opens.length === 1
  const each = opens.map((open) => birthOf(open, open.began_at, isShown ? shown : quiet, isOnly))
  const began = Math.min(...opens.map(({ began_at }) => began_at))
  // One of several took effect, and nobody knows which; they may end at different times.
  const some = { on: true, by: 'open' as const, lo: began, hi: shown, ends_at: null, isCertain: true }
  return isShown && !isOnly ? [...each, some] : each
}

function birthOf(change: SessionChange & Ending, lo: number, hi: number, isCertain: boolean): Birth {
  const { ends_at, ttl_ms } = change
  const by = change.what === 'reopen' ? 'reopen' : 'open'
  // One that had run out already would have been refused.
  const end = by === 'open' && isCertain && ends_at !== null ? Math.min(hi, ends_at - CLOCK_MS - 1) : hi
  return { on: true, by, lo, hi: Math.max(lo, end), isCertain, ends_at, ttl_ms }
}

function sessionSwitches(opened: Birth[], changes: SessionChange[], found: Found | undefined, quiet: number): Switch[] {
  const gone = firstEnd(changes.filter((change) => change.what === 'delete' && isDone(change)))
  const reopened = changes.flatMap((change) => {
    if (change.what !== 'reopen') return []
    const hi = isDone(change) ? change.ended_at : Math.min(quiet, gone)
    return [birthOf(change, change.began_at, hi, isDone(change))]
  })
  const births = [...opened, ...reopened]
  const ends = changes.flatMap((change): Switch[] => {
    if (change.what !== 'close' && change.what !== 'delete') return []
    if (change.what === 'delete' && !isDone(change) && found) return []
    return [offBy(change, quiet)]
  })
  const offs = [...ends, ...births.flatMap((birth) => expiryOf(birth, births, quiet))]
  // It is live at the end and was never opened again, so what may have ended it did not.
  const neverEnded = found !== undefined && found.status !== 'closed' && reopened.length === 0
  return [...births, ...offs.filter((off) => off.isCertain || !neverEnded)]
}

const offBy = (change: Change, quiet: number): Switch => ({
  on: false,
  lo: change.began_at,
  hi: isDone(change) ? change.ended_at : Math.max(change.began_at, quiet),
  isCertain: isDone(change),
})

/** A session that was opened again before it ran out may end at another time. */
function expiryOf(birth: Birth, births: Birth[], quiet: number): Switch[] {
  const { ends_at, ttl_ms, lo } = birth
  if (ends_at === null) {
    if (!ttl_ms) return []
    // Every interaction puts it off. One that was live when it was to be opened again goes on from its last.
    const end = birth.by === 'open' ? lo + ttl_ms : lo
    return [{ on: false, lo: end, hi: Math.max(end, quiet), isCertain: false }]
  }
  const other = births.some((each) => each !== birth && each.hi >= lo && each.lo <= ends_at + CLOCK_MS)
  const hi = Math.max(ends_at + CLOCK_MS, birth.hi)
  return [{ on: false, lo: ends_at - CLOCK_MS, hi, isCertain: birth.isCertain && !other }]
}

function findLives(session: Session, opened: Birth[], quiet: number): Life[] {
  const { changes, found } = session
  const proxies = new Map<string, string | undefined>()
  for (const change of changes) {
    if (change.what === 'open') for (const identifier of change.identifiers) proxies.set(identifier, undefined)
    if (change.what === 'join') proxies.set(change.identifier, undefined)
  }
  const members = [...changes.flatMap(membersOf), ...(found?.members ?? [])]
  for (const { identifier, proxy } of members) proxies.set(identifier, proxy)
  return [...proxies].flatMap(([identifier, proxy]) => {
    const came = arrivals(session, identifier, opened, quiet)
    if (came.length === 0) return []
    const left = changes.flatMap((change): Switch[] => {
      if (change.what !== 'leave' || change.member.identifier !== identifier) return []
      return !isDone(change) && isListed(found, identifier) ? [] : [offBy(change, quiet)]
    })
    const switches = [...came, ...left]
    const stays = surely(true, switches)
    const live = both(session.live, stays)
    const over = either(session.over, surely(false, switches))
    // Who had left before is not in the session that is opened again.
    const regained = changes.flatMap((change) => {
      if (change.what !== 'reopen' || !isDone(change) || !covers(stays, change.began_at, change.ended_at)) return []
      return [{ ...birthOf(change, change.began_at, change.ended_at, true), is_named: false }]
    })
    const given = [...came, ...regained]
    return [{ session, identifier, proxy, given, live, over }]
  })
}

const membersOf = (change: SessionChange): Member[] =>
  'members' in change ? change.members : change.what === 'leave' ? [change.member] : []

const isListed = (found: Found | undefined, identifier: string) =>
  found?.members.some((member) => member.identifier === identifier) ?? false

/** Nobody comes into a session twice. */
function arrivals({ changes, found }: Session, identifier: string, opened: Birth[], quiet: number): Life['given'] {
  const opens = changes.filter((change) => change.what === 'open' && change.identifiers.includes(identifier))
  if (opens.length > 0) {
    const is_named = opens.some((change) => 'is_named' in change && change.is_named === true)
    return opened.map((birth) => ({ ...birth, is_named }))
  }
  const joins = changes.filter((change) => change.what === 'join' && change.identifier === identifier)
  const is_named = joins.some((change) => 'is_named' in change && change.is_named === true)
  const given = { on: true, by: 'join' as const, is_named }
  const done = joins.find(isDone)
  if (done) return [{ ...given, lo: done.began_at, hi: done.ended_at, isCertain: true }]
  // Members of other changes may have been read long after them.
  const left = changes.filter((change) => change.what === 'leave' && change.member.identifier === identifier)
  const shown = Math.min(firstEnd(left.filter(isDone)), isListed(found, identifier) && found ? found.at - 1 : Infinity)
  const isShown = shown < Number.POSITIVE_INFINITY
  const lo = joins.length > 0 ? Math.min(...joins.map(({ began_at }) => began_at)) : Number.NEGATIVE_INFINITY
  // The session is there at the end without them, and nobody had them leave: they never came.
  if (!isShown && found && left.length === 0) return []
  return [{ ...given, lo, hi: Math.max(lo, isShown ? shown : quiet), isCertain: isShown }]
}

/** Every two people in a session, in both directions, by (number, person) of the one; and by person where the number is unknown. */
export function findPairings(sessions: Iterable<Session>): (from: string, to: string) => Pairing[] {
  const known = new Map<string, Pairing[]>()
  const add = (key: string, pairing: Pairing) => {
    const list = known.get(key)
    if (list) list.push(pairing)
    else known.set(key, [pairing])
  }
  for (const { lives } of sessions) {
    for (const sender of lives) {
      for (const partner of lives) {
        if (partner === sender) continue
        const live = both(sender.live, partner.live)
        const over = either(sender.over, partner.over)
        add(`${sender.proxy ?? 'any'} ${sender.identifier}`, { sender, partner, live, over })
      }
    }
  }
  return (from, to) => [...(known.get(`${to} ${from}`) ?? []), ...(known.get(`any ${from}`) ?? [])]
}
