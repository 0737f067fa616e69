import { setTimeout as delay } from 'node:timers/promises'
import type { Params } from '../support/http.ts'
import type { Change, Ending, Member, Outcome, Span } from './history.ts'
import type { Answer } from './record.ts'
import type { Service } from './services.ts'
import type { World } from './world.ts'

/** What the client that opened a session believes of it. */
export type Sitting = {
  service: Service
  /** Its unique name. */
  name: string
  path: string
  members: Member[]
  state: 'live' | 'closed'
  /** Whether some answer did not come, so that it may be otherwise, or may yet become so. */
  isUnsure: boolean
  ends_at: number | null
  ttl_ms: number | undefined
}

/** Where somebody texts from: `isLive` while they have a partner there. */
export type Place = { identifier: string; proxy: string; isLive: () => boolean }

export type Clients = ReturnType<typeof createClients>

const KEPT_PLACES = 150
const READS = 60
const READ_AGAIN_MS = 300

type Add = { session: string; status: number | undefined; text: string; at: number }

export function createClients(world: World, services: [Service, ...Service[]]) {
  const { random, recorder, ask } = world
  const places: Place[] = []
  let named = 0

  const shownError = ({ session, status, text, at }: Add) => {
    if (status && status >= 400) recorder.add({ type: 'shown', at, to: 'error', of: session, text })
  }
  const noted = (session: string, answer: Answer): Span & { outcome: Outcome; status: number | undefined } => {
    const { began_at, ended_at, outcome, status, text } = answer
    shownError({ session, status, text, at: ended_at })
    return { began_at, ended_at, outcome, status }
  }
  const addPlaces = (sitting: Sitting, members: Member[]) => {
    for (const member of members) {
      const isLive = () => isLiveNow(sitting) && sitting.members.length === 2 && sitting.members.includes(member)
      places.push({ identifier: member.identifier, proxy: member.proxy, isLive })
    }
    places.splice(0, places.length - KEPT_PLACES)
  }

  /** What the API says of a session: undefined where it is not there, or does not become readable in time. */
  async function read(service: Service, which: string) {
    for (let nth = 0; nth < READS; nth++) {
      const session = await ask('GET', `${service.path}/Sessions/${which}`)
      const path = `${service.path}/Sessions/${session.body.sid}`
      const list = session.outcome === 'done' ? await ask('GET', `${path}/Participants`) : session
      if (list.outcome === 'done') {
        const members = (list.body.participants as Parameters<typeof memberOf>[0][]).map(memberOf)
        return { path, status: String(session.body.status), members }
      }
      if (session.status === 404 && nth >= 3) return undefined
      await delay(READ_AGAIN_MS)
    }
    return undefined
  }

  async function open(): Promise<Sitting | undefined> {
    const service = random.pick(services)
    const name = `session-${++named}`
    const one = random.pick(world.people())
    const other = random.pick(world.people())
    const identifiers = one === other || random.chance(0.15) ? [one] : [one, other]
    const is_named = identifiers.length === 2 && random.chance(0.1)
    const { ending, params: until } = drawEnding(world)
    const participants = identifiers.map((Identifier, at): [string, string] => {
      const proxy = is_named ? { ProxyIdentifier: service.pool[at] } : {}
      return ['Participants', JSON.stringify({ Identifier, ...proxy })]
    })
    const answer = await postOnce(world, `${service.path}/Sessions`, [['UniqueName', name], ...participants, ...until])
    const what = { type: 'change', what: 'open', service: service.sid, session: name } as const
    const entry = recorder.add({
      ...what,
      ...noted(name, answer),
      identifiers,
      members: [] as Member[],
      ...ending,
      is_named,
    })
    if (answer.outcome === 'refused') return undefined
    const found = await read(service, name)
    if (!found) return undefined
    entry.members = found.members
    const isUnsure = answer.outcome === 'unknown'
    const sitting: Sitting = {
      service,
      name,
      ...ending,
      path: found.path,
      members: found.members,
      state: 'live',
      isUnsure,
    }
    addPlaces(sitting, found.members)
    return sitting
  }

  async function close({ path, name, ...sitting }: Sitting): Promise<Partial<Sitting>> {
    const close = async () => {
      const answer = await ask('POST', path, [['Status', 'closed']])
      const { outcome } = recorder.add({ type: 'change', what: 'close', session: name, ...noted(name, answer) })
      return outcome
    }
    // Now and then two clients mean to do the same.
    const outcomes = await Promise.all(random.chance(0.1) ? [close(), close()] : [close()])
    const isUnsure = sitting.isUnsure || outcomes.includes('unknown')
    return outcomes.includes('done') ? { state: 'closed', isUnsure } : { isUnsure }
  }

  async function reopen({ service, path, name, ...sitting }: Sitting): Promise<Partial<Sitting>> {
    // A session that had a date once is given another, because it depends on the moment whether the old one is kept.
    const { ending, params } = drawEnding(world, sitting.ends_at !== null ? 'date' : sitting.ttl_ms ? 'ttl' : undefined)
    const answer = await ask('POST', path, [['Status', 'in-progress'], ...params])
    const what = { type: 'change', what: 'reopen', session: name } as const
    const entry = recorder.add({ ...what, ...noted(name, answer), members: [] as Member[], ...ending })
    if (entry.outcome === 'refused') return {}
    const found = await read(service, name)
    entry.members = found?.members ?? sitting.members
    const isUnsure = sitting.isUnsure || entry.outcome === 'unknown'
    return { state: 'live', isUnsure, ...ending }
  }

  async function leave({ path, name, ...sitting }: Sitting): Promise<Partial<Sitting>> {
    const member = sitting.members[random.below(sitting.members.length)]
    if (!member) return {}
    const answer = await ask('DELETE', `${path}/Participants/${member.sid}`)
    const { outcome } = recorder.add({ type: 'change', what: 'leave', session: name, ...noted(name, answer), member })
    const members = sitting.members.filter((each) => each !== member)
    return outcome === 'refused' ? {} : { members, isUnsure: sitting.isUnsure || outcome === 'unknown' }
  }

  async function join(sitting: Sitting): Promise<Partial<Sitting>> {
    const { service, path, name } = sitting
    const identifier = random.pick(world.people())
    const answer = await postOnce(world, `${path}/Participants`, [['Identifier', identifier]])
    const what = { type: 'change', what: 'join', session: name, identifier } as const
    const entry = recorder.add<Extract<Change, { what: 'join' }>>({ ...what, ...noted(name, answer), members: [] })
    if (entry.outcome === 'refused') return {}
    const found = await read(service, name)
    entry.members = (found?.members ?? []).filter((member) => member.identifier === identifier)
    addPlaces(sitting, entry.members)
    const isUnsure = sitting.isUnsure || entry.outcome === 'unknown'
    return { isUnsure, members: [...sitting.members, ...entry.members] }
  }

  async function remove({ path, name }: Sitting) {
    recorder.add({ type: 'change', what: 'delete', session: name, ...noted(name, await ask('DELETE', path)) })
  }

  /** One session from its opening until nobody cares for it any more. */
  async function live(isOver: () => boolean) {
    const sitting = await open()
    let isKept = sitting !== undefined
    while (sitting && isKept && !isOver()) {
      await delay(150 + random.below(1_000))
      if (!isLiveNow(sitting)) {
        const next = random.draw({ reopen: 35, leave: 45, delete: 20 })
        // What was not answered may yet be done, and then a deleted session could not tell of it.
        if (next === 'reopen' && isEnded(sitting)) Object.assign(sitting, await reopen(sitting))
        else isKept = false
        if (next === 'delete' && !sitting.isUnsure) await remove(sitting)
      } else {
        const next = random.draw({
          stay: 35,
          close: 35,
          leave: 12,
          join: sitting.members.length < 2 ? 60 : 3,
          delete: 4,
        })
        if (next === 'close') Object.assign(sitting, await close(sitting))
        else if (next === 'leave') Object.assign(sitting, await leave(sitting))
        else if (next === 'join') Object.assign(sitting, await join(sitting))
        else if (next === 'delete' && !sitting.isUnsure) {
          isKept = false
          sitting.state = 'closed'
          await remove(sitting)
        }
      }
    }
  }

  return {
    places,
    /** So many clients, each with one session after the other. */
    run: (lanes: number, isOver: () => boolean) =>
      Promise.all(
        Array.from({ length: lanes }, async () => {
          while (!isOver()) {
            await live(isOver)
            await delay(random.below(400))
          }
        }),
      ),
  }
}

/** Since when it is over nobody doubts: the client was told so, or it ran out a while ago. */
const isEnded = (sitting: Sitting) =>
  sitting.state === 'closed' || (sitting.ends_at !== null && sitting.ends_at < Date.now() - 1_000)

const isLiveNow = ({ state, ends_at }: Sitting) => state === 'live' && (ends_at === null || ends_at > Date.now())

const memberOf = (body: { sid: string; identifier: string; proxy_identifier: string }): Member => ({
  sid: body.sid,
  identifier: body.identifier,
  proxy: body.proxy_identifier,
})

/** When a session ends by itself, if it does. */
function drawEnding(
  { random }: World,
  how?: 'date' | 'ttl',
): { ending: Ending & { ttl_ms: number | undefined }; params: Params } {
  const kind = how ?? random.draw({ never: 60, date: 28, ttl: 12 })
  if (kind === 'date') {
    const ends_at = Date.now() + 1_000 + random.below(6_000)
    return { ending: { ends_at, ttl_ms: undefined }, params: [['DateExpiry', new Date(ends_at).toISOString()]] }
  }
  const ttl_s = 1 + random.below(4)
  return kind === 'ttl'
    ? { ending: { ends_at: null, ttl_ms: ttl_s * 1000 }, params: [['Ttl', String(ttl_s)]] }
    : { ending: { ends_at: null, ttl_ms: undefined }, params: [] }
}

const REPEATS = 3
let keys = 0

/**
 * Half of the clients give a key, by which they may ask again when no answer came. All their tries are one change; a
 * refusal of a later one says nothing of the first, which may still be on its way.
 */
async function postOnce({ random, ask }: World, path: string, params: Params): Promise<Answer> {
  if (random.chance(0.5)) return await ask('POST', path, params)
  const key = `key-${++keys}`
  const first = await ask('POST', path, params, key)
  let last = first
  for (let nth = 0; nth < REPEATS && last.outcome === 'unknown'; nth++) {
    await delay(300)
    last = await ask('POST', path, params, key)
  }
  const outcome = first.outcome === 'unknown' && last.outcome === 'refused' ? 'unknown' : last.outcome
  return { ...last, outcome, began_at: first.began_at }
}
