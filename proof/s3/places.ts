import type { Change, Found, History, Leg, Member, ServiceRules, Told } from './history.ts'

/**
 * Where a history can be forged so that nobody may explain it away: sessions of two in which every change was answered. Found
 * without the checker's own reckoning, which is what a forgery tests.
 */
export type Plain = {
  name: string
  service: string
  opened: Extract<Change, { what: 'open' }>
  members: [Member, Member]
  /** Of the session, after it was opened. */
  changes: Change[]
  /** The first moment at which anything may have changed. */
  quiet_until: number
  /** When the last change was answered. */
  changed_at: number
  /** Whether somebody ended it and nobody opened it again. */
  isEnded: boolean
  found: Found | undefined
}

export type Places = {
  plain: Plain[]
  told: Map<string, Told[]>
  legs: Map<string, Leg[]>
  /** In which sessions somebody may have been, with the number where an answer showed it. */
  stays: Map<string, Stay[]>
  /** The messages of each (person, number), by when they were first told. */
  texts: Map<string, Told[][]>
  strangers: Map<string, string | undefined>
  services: ServiceRules[]
  /** The numbers that came into a pool or left one later. */
  moved: Set<string>
  end: number
}

export type Stay = { session: string; proxy: string | undefined; began_at: number }

export function findPlaces(history: History): Places {
  const changes = new Map<string, Change[]>()
  const found = new Map<string, Found>()
  const places: Places = {
    ...{ plain: [], told: new Map(), legs: new Map(), stays: new Map() },
    ...{ texts: new Map(), strangers: new Map(), services: [], moved: new Set(), end: 0 },
  }
  for (const entry of history) {
    places.end = Math.max(places.end, 'at' in entry ? entry.at : entry.ended_at)
    if (entry.type === 'found') found.set(entry.session, entry)
    if (entry.type === 'told' && entry.outcome !== 'refused') push(places.told, entry.event, entry)
    if (entry.type === 'leg') push(places.legs, entry.event, entry)
    if (entry.type === 'change' && entry.what === 'service' && entry.outcome === 'done') {
      places.services.push(entry.service)
    }
    if (entry.type === 'change' && 'number' in entry) places.moved.add(entry.number)
    if (entry.type === 'change' && 'session' in entry && entry.outcome !== 'refused')
      push(changes, entry.session, entry)
  }
  for (const [name, all] of changes) {
    all.sort((one, other) => one.began_at - other.began_at)
    noteStays(places.stays, name, all, found.get(name))
    const plain = asPlain(name, all, found.get(name))
    if (plain) places.plain.push(plain)
  }
  for (const told of places.told.values()) {
    told.sort((one, other) => one.began_at - other.began_at)
    const { kind, from, to } = told[0]!
    if (kind === 'message') push(places.texts, `${from} ${to}`, told)
  }
  return places
}

function push<Item>(lists: Map<string, Item[]>, key: string, item: Item) {
  const list = lists.get(key)
  if (list) list.push(item)
  else lists.set(key, [item])
}

function noteStays(stays: Places['stays'], session: string, changes: Change[], found: Found | undefined) {
  const shown = changes.flatMap((change) => {
    if (change.what === 'leave') return [change.member]
    return 'members' in change ? change.members : []
  })
  const members = [...shown, ...(found?.members ?? [])]
  const named = changes.flatMap((change) => {
    if (change.what === 'open') return change.identifiers
    return change.what === 'join' ? [change.identifier] : []
  })
  const began_at = changes[0]?.began_at ?? 0
  for (const identifier of new Set([...named, ...members.map((member) => member.identifier)])) {
    const proxy = members.find((member) => member.identifier === identifier)?.proxy
    push(stays, identifier, { session, proxy, began_at })
  }
}

function asPlain(name: string, all: Change[], found: Found | undefined): Plain | undefined {
  const [opened, ...changes] = all
  if (opened?.what !== 'open' || opened.ttl_ms || all.some(({ outcome }) => outcome !== 'done')) return undefined
  const [one, other] = opened.members
  const isJoined = changes.some(({ what }) => what === 'join' || what === 'open')
  if (!one || !other || opened.identifiers.length !== 2 || isJoined) return undefined
  return {
    ...{ name, opened, changes, found },
    service: opened.service,
    members: [one, other],
    quiet_until: Math.min(opened.ends_at ?? Number.POSITIVE_INFINITY, changes[0]?.began_at ?? Number.POSITIVE_INFINITY),
    changed_at: Math.max(...all.map(({ ended_at }) => ended_at)),
    isEnded: changes.length > 0 && changes.every(({ what }) => what === 'close' || what === 'delete'),
  }
}

/** Somebody who was in no session with this person. */
export function strangerTo({ stays, strangers }: Places, person: string): string | undefined {
  if (!strangers.has(person)) {
    const theirs = new Set(stays.get(person)?.map(({ session }) => session))
    const isStranger = ([other, all]: [string, Stay[]]) =>
      other !== person && !all.some(({ session }) => theirs.has(session))
    strangers.set(person, [...stays].find(isStranger)?.[0])
  }
  return strangers.get(person)
}

/** Whether two people reached each other by these numbers in no other session. */
export function metOnlyHere({ stays }: Places, { members }: Plain): boolean {
  const [ones, others] = members.map(
    ({ identifier, proxy }) =>
      new Set(
        (stays.get(identifier) ?? [])
          .filter((stay) => stay.proxy === undefined || stay.proxy === proxy)
          .map(({ session }) => session),
      ),
  )
  return [...(ones ?? [])].filter((session) => others?.has(session)).length === 1
}

/** Whether somebody surely was in no session by this number, but for one perhaps. */
export const wasNever = ({ stays }: Pick<Places, 'stays'>, person: string, number: string, but?: string): boolean =>
  (stays.get(person) ?? []).every(({ session, proxy }) => session === but || (proxy !== undefined && proxy !== number))

/** The messages of a plain session while nothing changed in it, which were acknowledged, and sent once. */
export function textsIn({ texts, legs }: Places, { members, opened, quiet_until }: Plain): { told: Told; leg: Leg }[] {
  const theirs = members.flatMap(({ identifier, proxy }) => texts.get(`${identifier} ${proxy}`) ?? [])
  return theirs.flatMap((all) => {
    const [first] = all
    const acknowledged = all.find(({ outcome }) => outcome === 'done')
    if (!first || !acknowledged || first.began_at <= opened.ended_at) return []
    const [leg, more] = legs.get(first.event) ?? []
    if (!leg || more) return []
    // An expiry is judged by another clock.
    const isQuiet = Math.max(acknowledged.ended_at, leg.began_at) < quiet_until - 5
    return isQuiet ? [{ told: first, leg }] : []
  })
}
