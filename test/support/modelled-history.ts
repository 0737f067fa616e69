import type { Random } from '../../proof/random.ts'
import type { Change, Entry, History, Leg, Member, Outcome, Told } from '../../proof/s3/history.ts'
import * as service from './modelled-service.ts'

/**
 * What is seen from outside of a service that keeps its promises: what is asked of it takes effect at some moment of its
 * span, or later or never when no answer comes. All of it is drawn, and the clock is a number.
 */
type World = {
  random: Random
  model: service.Model
  history: Entry[]
  due: { at: number; run: (at: number) => void }[]
  /** What became of each event that was taken in. */
  events: Map<string, { reached: Reached | undefined; isForbidden: boolean }>
  now: number
  /** Times are read in whole milliseconds, or finer. */
  read: (at: number) => number
}

type Reached = NonNullable<ReturnType<typeof service.lookUp>>

const PEOPLE = ['+14155550141', '+14155550142', '+12125550143', '+12125550144', '+13055550145', '+13055550146']
const STRANGER = '+15035550149'
const SPARE = '+12025550190'
const LASTS_MS = 12_000
const SESSIONS = 8
const TEXTS = 18

export function modelHistory(random: Random): History {
  const services = [
    { ...poolOf('KS1', [0, 1, 2]), cool_down_ms: 2_000, cool_down_mode: 'strict' as const, asks: false },
    { ...poolOf('KS2', [3, 4, 5, 6]), cool_down_ms: 5_000, cool_down_mode: 'best-effort' as const, asks: true },
  ]
  const model = { random, services, sessions: new Map(), releases: [], made: 0 }
  const read = random.chance(0.5) ? Math.floor : (at: number) => at
  const world: World = { random, model, history: [], due: [], events: new Map(), now: 0, read }
  for (const { asks: _, ...rules } of services) {
    const made = { outcome: 'done' as const, status: 201, began_at: 0, ended_at: 1 }
    const its = { ...rules, numbers: [...rules.numbers] }
    world.history.push({ type: 'change', what: 'service', ...made, service: its })
  }
  for (let nth = 0; nth < SESSIONS; nth++) at(world, some(world, LASTS_MS * 0.7), () => beginSession(world, `S${nth}`))
  for (let nth = 0; nth < TEXTS; nth++) at(world, some(world, LASTS_MS), () => beginEvent(world, `E${nth}`))
  for (let nth = 0; nth < 3; nth++) at(world, some(world, LASTS_MS), () => beginMove(world))
  at(world, LASTS_MS / 2, () => service.sweep(model, world.now))
  for (let next = earliest(world); next; next = earliest(world)) {
    world.now = next.at
    next.run(next.at)
  }
  readEnd(world)
  return world.history
}

const poolOf = (sid: string, nths: number[]) => ({ sid, numbers: nths.map((nth) => `+1202555018${nth}`) })
const some = ({ random }: World, most: number) => random.below(most * 100) / 100
const pick = <Item>({ random }: World, list: readonly Item[]) => list[random.below(list.length)] as Item

function at(world: World, when: number, run: (at: number) => void) {
  world.due.push({ at: Math.max(when, world.now), run })
}

function earliest({ due }: World) {
  let first = 0
  for (let nth = 1; nth < due.length; nth++) if ((due[nth]?.at ?? 0) < (due[first]?.at ?? 0)) first = nth
  return due.splice(first, 1)[0]
}

type Answered = { began_at: number; ended_at: number; outcome: Outcome; status: number | undefined; members: Member[] }

/** Asks for a change; `told` gets to know how it went, as far as the client does. */
function ask(world: World, change: (at: number) => service.ModelSession, told: (answered: Answered) => void) {
  const { random, model, read } = world
  const began_at = read(world.now)
  const takes = some(world, pick(world, [5, 5, 5, 400]))
  const fate = random.draw({ done: 80, unheard: 10, late: 5, never: 5 })
  const ended = world.now + takes + some(world, 5)
  const answer = { began_at, ended_at: read(ended), members: [] as Member[] }
  const unheard = () => told({ ...answer, outcome: 'unknown', status: undefined })
  if (fate === 'never') return at(world, ended, unheard)
  // What nobody heard of may come about long after everybody gave up.
  at(world, world.now + takes + (fate === 'late' ? some(world, 3_000) : 0), (now) => {
    const members = service.attempt(model, () => change(now))
    if (fate === 'late') return
    at(world, ended, () => {
      if (fate === 'unheard') unheard()
      else if (members) told({ ...answer, outcome: 'done', status: 200, members })
      else told({ ...answer, outcome: 'refused', status: 400 })
    })
  })
  if (fate === 'late') at(world, ended, unheard)
}

function drawEnding(world: World): service.Ending {
  const kind = world.random.draw({ never: 60, date: 25, ttl: 15 })
  const ends_at = kind === 'date' ? Math.ceil(world.now) + 50 + world.random.below(4_000) : null
  return { ends_at, ttl_ms: kind === 'ttl' ? 1_000 : 0 }
}

function beginSession(world: World, session: string) {
  const { model, history, random } = world
  const owner = pick(world, model.services)
  const one = pick(world, PEOPLE)
  const other = pick(world, PEOPLE)
  const identifiers = one === other || random.chance(0.2) ? [one] : [one, other]
  const ending = drawEnding(world)
  const wanted = { ...ending, name: session, service: owner, identifiers }
  const about = { type: 'change', what: 'open', service: owner.sid, session, identifiers, ...ending } as const
  ask(
    world,
    (now) => service.open(model, now, wanted),
    (answered) => {
      // Who was not answered may look it up by its name.
      const members = answered.outcome === 'unknown' && random.chance(0.5) ? lookIn(world, session) : answered.members
      history.push({ ...about, ...answered, members })
      if (answered.outcome !== 'refused') at(world, world.now + some(world, 2_000), () => goOn(world, session))
    },
  )
}

const lookIn = ({ model }: World, name: string): Member[] =>
  (model.sessions.get(name)?.members ?? [])
    .filter(({ has_left }) => !has_left)
    .map(({ sid, identifier, proxy }) => ({ sid, identifier, proxy }))

/** The next that happens in a session, if anything does. */
function goOn(world: World, session: string) {
  const { model, history, random } = world
  const what = random.draw({ nothing: 15, close: 40, reopen: 20, join: 15, leave: 10, delete: 5 })
  if (world.now > LASTS_MS) return
  const next = () => at(world, world.now + some(world, 2_500), () => goOn(world, session))
  const about = { type: 'change', session } as const
  if (what === 'close') {
    ask(
      world,
      (now) => service.close(model, now, session),
      ({ members: _, ...answered }) => {
        history.push({ ...about, what, ...answered })
        next()
      },
    )
  } else if (what === 'delete') {
    ask(
      world,
      (now) => service.remove(model, now, session),
      ({ members: _, ...answered }) => history.push({ ...about, what, ...answered }),
    )
  } else if (what === 'reopen') {
    const ending = drawEnding(world)
    ask(
      world,
      (now) => service.reopen(model, now, session, ending),
      (answered) => {
        history.push({ ...about, what, ...ending, ...answered })
        next()
      },
    )
  } else if (what === 'join') {
    const identifier = pick(world, PEOPLE)
    ask(
      world,
      (now) => service.join(model, now, session, identifier),
      (answered) => {
        const members = answered.members.filter((member) => member.identifier === identifier)
        history.push({ ...about, what, identifier, ...answered, members })
        next()
      },
    )
  } else if (what === 'leave') {
    const member = pick(world, lookIn(world, session))
    if (!member) return
    ask(
      world,
      (now) => service.leave(model, now, session, member.sid),
      ({ members: _, ...answered }) => {
        history.push({ ...about, what, ...answered, member })
        next()
      },
    )
  }
}

function beginMove(world: World) {
  const { model, history, read, random } = world
  const owner = pick(world, model.services)
  const what = random.chance(0.5) ? 'add number' : 'remove number'
  const number = random.chance(0.7) ? SPARE : (owner.numbers[0] ?? SPARE)
  const began_at = read(world.now)
  const isHeard = random.chance(0.8)
  at(world, world.now + some(world, 10), (now) => {
    const done = service.moveNumber(model, now, owner, number, what === 'add number' ? 'in' : 'out')
    const outcome: Outcome = !isHeard ? 'unknown' : done ? 'done' : 'refused'
    const ended_at = read(now + some(world, 3))
    const change: Change = {
      type: 'change',
      what,
      began_at,
      ended_at,
      outcome,
      status: undefined,
      service: owner.sid,
      number,
    }
    history.push(change)
  })
}

/** Somebody texts or calls: mostly where they are, sometimes where they were or never were. */
function beginEvent(world: World, event: string) {
  const { model, random } = world
  const members = [...model.sessions.values()].flatMap((session) => session.members)
  const member = random.chance(0.8) ? pick(world, members) : undefined
  const from = member?.identifier ?? pick(world, [...PEOPLE, STRANGER])
  const to =
    member?.proxy ??
    pick(
      world,
      model.services.flatMap(({ numbers }) => numbers),
    )
  const kind = random.chance(0.75) ? 'message' : 'call'
  const copies = pick(world, [1, 1, 1, 2, 3])
  for (let nth = 0; nth < copies; nth++)
    at(world, world.now + some(world, 50) * nth, () => tell(world, { kind, event, from, to }, 3))
}

type Text = Pick<Told, 'kind' | 'event' | 'from' | 'to'>

function tell(world: World, text: Text, tries: number) {
  const { random, history, read } = world
  const began_at = read(world.now)
  const fate = tries === 0 ? 'done' : random.draw({ done: 80, unheard: 12, never: 8 })
  const takes = some(world, pick(world, [4, 4, 300]))
  const again = () => at(world, world.now + some(world, 600), () => tell(world, text, tries - 1))
  const entry = {
    type: 'told' as const,
    ...text,
    began_at,
    outcome: 'unknown' as Outcome,
    status: undefined,
    dials: null,
  }
  if (fate === 'never') {
    history.push({ ...entry, ended_at: read(world.now + takes) })
    return again()
  }
  at(world, world.now + takes, (now) => {
    const dials = takeIn(world, text, now)
    const ended_at = read(now + some(world, 4))
    if (fate === 'unheard') {
      history.push({ ...entry, ended_at })
      return again()
    }
    history.push({ ...entry, ended_at, outcome: 'done', status: 200, dials })
    if (dials) history.push({ type: 'shown', at: ended_at, to: 'partner', of: text.event, text: dials.caller_id })
  })
}

function takeIn(world: World, { event, kind, from, to }: Text, now: number): Told['dials'] {
  const known = world.events.get(event)
  const taken = known ?? { reached: service.lookUp(world.model, now, from, to), isForbidden: false }
  world.events.set(event, taken)
  const { reached } = taken
  if (!reached) return null
  if (!known) reached.session.ttl_since = now
  if (kind === 'message') {
    const { asks } = reached.session.service
    if (!known)
      at(world, now + some(world, 30), (next) => (asks ? intercept(world, event, next) : send(world, event, next)))
    return null
  }
  if (!service.stillHolds(world.model, now, reached)) return null
  return { number: reached.partner.identifier, caller_id: reached.partner.proxy }
}

function intercept(world: World, event: string, now: number) {
  const { random, history, read } = world
  const answer = random.draw({ 'go on': 75, no: 12, silence: 6, fault: 7 })
  const ended = now + some(world, 200)
  history.push({ type: 'asked', event, answer, began_at: read(now), ended_at: read(ended) })
  if (answer !== 'no') at(world, ended + some(world, 5), (next) => send(world, event, next))
}

function send(world: World, event: string, now: number) {
  const { random, history, read, model } = world
  const reached = world.events.get(event)?.reached
  if (!reached || !service.stillHolds(model, now, reached)) return
  const { partner } = reached
  const fate = random.draw({ taken: 70, later: 14, refused: 5, unsaid: 5, broken: 6 })
  const is_taken = fate === 'taken' || fate === 'unsaid'
  const status = { taken: 201, later: 503, refused: 400, unsaid: undefined, broken: undefined }[fate]
  const ended = now + some(world, pick(world, [5, 800]))
  const leg: Leg = {
    ...{ type: 'leg', event, from: partner.proxy, to: partner.identifier },
    ...{ began_at: read(now), ended_at: read(ended), status, is_taken },
  }
  history.push(leg, { type: 'shown', at: read(ended), to: 'partner', of: event, text: `From=${partner.proxy}` })
  if (fate === 'later' || fate === 'broken') at(world, ended + some(world, 1_000), (next) => send(world, event, next))
}

/** Long after all of it. */
function readEnd(world: World) {
  const { model, history, read, events } = world
  const end = world.now + 12_000
  service.sweep(model, end)
  for (const [nth, session] of [...model.sessions.values()].entries()) {
    const theirs = [...events].filter(([, { reached }]) => reached?.session === session)
    history.push({
      ...{ type: 'found', at: read(end + nth), service: session.service.sid, session: session.name },
      status: session.status,
      members: lookIn(world, session.name),
      interactions: theirs.map(([event]) => ({ event, outbound_status: null })),
    })
  }
}
