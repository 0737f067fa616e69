import type { Random } from '../../proof/random.ts'
import type { Member, ServiceRules } from '../../proof/s3/history.ts'

/**
 * A masking service that keeps its promises, in memory: everything happens at one moment, which is given. Nothing of the
 * program is used, nor of the checker that is tested with it.
 */
export type Model = {
  random: Random
  services: ModelService[]
  sessions: Map<string, ModelSession>
  releases: { service: string; proxy: string; identifier: string; partners: string[]; at: number }[]
  made: number
}

export type ModelService = ServiceRules & { asks: boolean }

export type ModelSession = {
  name: string
  service: ModelService
  status: 'in-progress' | 'closed'
  members: (Member & { has_left: boolean })[]
  ends_at: number | null
  ttl_ms: number
  ttl_since: number
}

export type Ending = { ends_at: number | null; ttl_ms: number }

const REFUSED = new Error('refused')

/** What an operation comes to: undefined when it is refused, and then nothing has happened. */
export function attempt(model: Model, change: () => ModelSession): Member[] | undefined {
  const before = [...model.sessions.values()].map((session) => ({
    ...session,
    members: session.members.map((member) => ({ ...member })),
  }))
  const releases = [...model.releases]
  try {
    return present(change()).map(({ sid, identifier, proxy }) => ({ sid, identifier, proxy }))
  } catch (error) {
    if (error !== REFUSED) throw error
    const names = new Set(before.map(({ name }) => name))
    for (const name of model.sessions.keys()) if (!names.has(name)) model.sessions.delete(name)
    for (const session of before) Object.assign(model.sessions.get(session.name) ?? {}, session)
    model.releases = releases
    return undefined
  }
}

const refuse = (): never => {
  throw REFUSED
}

const present = ({ members }: ModelSession) => members.filter((member) => !member.has_left)

const expiry = ({ ends_at, ttl_ms, ttl_since }: ModelSession) =>
  ends_at ?? (ttl_ms ? ttl_since + ttl_ms : Number.POSITIVE_INFINITY)

export const isLive = (session: ModelSession, at: number) => session.status !== 'closed' && expiry(session) > at

/** The numbers of a session that ran out are free only when somebody comes by. */
export function sweep(model: Model, at: number, identifier?: string) {
  for (const session of model.sessions.values()) {
    const concerns = !identifier || session.members.some((member) => member.identifier === identifier)
    if (concerns && session.status !== 'closed' && !isLive(session, at)) end(model, session, at)
  }
}

function end(model: Model, session: ModelSession, at: number) {
  session.status = 'closed'
  for (const member of present(session)) release(model, session, member, at)
}

function release(
  { releases }: Model,
  { service, members }: ModelSession,
  { sid, proxy, identifier }: Member,
  at: number,
) {
  const partners = members.filter((other) => other.sid !== sid).map((other) => other.identifier)
  releases.push({ service: service.sid, proxy, identifier, partners, at })
}

const holder = ({ sessions }: Model, proxy: string, identifier: string) =>
  [...sessions.values()].find(
    (session) =>
      session.status !== 'closed' &&
      present(session).some((member) => member.proxy === proxy && member.identifier === identifier),
  )

/** Since when a number is cooling down for somebody who is to meet this partner. */
function cooling(model: Model, service: ModelService, proxy: string, identifier: string, at: number, partner?: string) {
  return model.releases
    .filter((each) => each.service === service.sid && each.proxy === proxy && each.identifier === identifier)
    .filter((each) => each.at > at - service.cool_down_ms)
    .filter(({ partners }) => partners.length === 0 || partners.some((each) => each !== partner))
    .reduce((last, each) => Math.max(last, each.at), 0)
}

function refuseCooling(model: Model, session: ModelSession, at: number) {
  const { service } = session
  if (service.cool_down_mode !== 'strict') return
  for (const { proxy, identifier, sid } of present(session)) {
    const partner = present(session).find((other) => other.sid !== sid)?.identifier
    if (cooling(model, service, proxy, identifier, at, partner)) refuse()
  }
}

function add(model: Model, session: ModelSession, identifier: string, at: number, expected?: string) {
  const { service, members } = session
  if (!isLive(session, at) || present(session).length === 2) refuse()
  if (members.some((member) => member.identifier === identifier)) refuse()
  sweep(model, at, identifier)
  const partner = present(session)[0]?.identifier ?? expected
  const free = service.numbers
    .filter((number) => !holder(model, number, identifier))
    .map((number) => ({ number, since: cooling(model, service, number, identifier, at, partner) }))
  const cool = free.filter(({ since }) => since === 0)
  const suiting = cool.length > 0 || service.cool_down_mode === 'strict' ? cool : free
  const least = Math.min(...suiting.map(({ since }) => since))
  const best = suiting.filter(({ since }) => since === least)
  const proxy = best[model.random.below(Math.max(1, best.length))]?.number ?? refuse()
  members.push({ sid: `KP${++model.made}`, identifier, proxy, has_left: false })
  refuseCooling(model, session, at)
}

export function open(
  model: Model,
  at: number,
  wanted: Ending & { name: string; service: ModelService; identifiers: string[] },
) {
  const { identifiers, ...about } = wanted
  if (model.sessions.has(about.name)) refuse()
  if (about.ends_at !== null && about.ends_at <= at) refuse()
  const session: ModelSession = { ...about, status: 'in-progress', members: [], ttl_since: at }
  model.sessions.set(session.name, session)
  for (const [nth, identifier] of identifiers.entries()) add(model, session, identifier, at, identifiers[1 - nth])
  return session
}

function held(model: Model, name: string, at: number): ModelSession {
  const session = model.sessions.get(name) ?? refuse()
  if (session.status !== 'closed' && !isLive(session, at)) end(model, session, at)
  return session
}

export function join(model: Model, at: number, name: string, identifier: string) {
  const session = held(model, name, at)
  add(model, session, identifier, at)
  return session
}

export function leave(model: Model, at: number, name: string, sid: string) {
  const session = held(model, name, at)
  const member = present(session).find((each) => each.sid === sid) ?? refuse()
  if (session.status !== 'closed') release(model, session, member, at)
  member.has_left = true
  return session
}

export function close(model: Model, at: number, name: string) {
  const session = held(model, name, at)
  if (session.status !== 'closed') end(model, session, at)
  return session
}

export function remove(model: Model, at: number, name: string) {
  const session = close(model, at, name)
  model.sessions.delete(name)
  return session
}

export function reopen(model: Model, at: number, name: string, ending: Ending) {
  const session = held(model, name, at)
  if (session.status !== 'closed') return Object.assign(session, ending)
  for (const { proxy, identifier } of present(session)) {
    sweep(model, at, identifier)
    if (!session.service.numbers.includes(proxy) || holder(model, proxy, identifier)) refuse()
  }
  refuseCooling(model, session, at)
  return Object.assign(session, ending, { status: 'in-progress', ttl_since: at })
}

/** False when it is refused. */
export function moveNumber(model: Model, at: number, service: ModelService, number: string, to: 'in' | 'out'): boolean {
  sweep(model, at)
  const isPooled = model.services.some(({ numbers }) => numbers.includes(number))
  if (to === 'in') return !isPooled && service.numbers.push(number) > 0
  const live = [...model.sessions.values()].filter(({ status }) => status !== 'closed')
  const isUsed = live.some((session) => present(session).some(({ proxy }) => proxy === number))
  if (isUsed || !service.numbers.includes(number)) return false
  service.numbers.splice(service.numbers.indexOf(number), 1)
  return true
}

/** Whom somebody reaches by a number. */
export function lookUp(model: Model, at: number, from: string, to: string) {
  const session = holder(model, to, from)
  if (!session || !isLive(session, at)) return undefined
  const sender = present(session).find(({ identifier }) => identifier === from)
  const partner = present(session).find(({ identifier }) => identifier !== from)
  return sender && partner ? { session, sender, partner } : undefined
}

/** Whether what was looked up still holds. */
export const stillHolds = (
  { sessions }: Model,
  at: number,
  reached: NonNullable<ReturnType<typeof lookUp>>,
): boolean => {
  const session = sessions.get(reached.session.name)
  const isThere = (sid: string) => session && present(session).some((member) => member.sid === sid)
  return Boolean(session && isLive(session, at) && isThere(reached.sender.sid) && isThere(reached.partner.sid))
}
