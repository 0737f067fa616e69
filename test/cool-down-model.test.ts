import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  BEGINNINGS,
  type Beginning,
  ENDINGS,
  end,
  letPass,
  type Met,
  meet,
  newStranger,
  relayed,
} from './support/late-reply.ts'
import { makeService, serverForFile } from './support/proxy-api.ts'

// Four people and three numbers, few enough to run out of numbers now and then, against a model that knows who reached
// whom by which number and when. It shares no code with the cool-down that it checks.

const shared = serverForFile()
const COOL_DOWN_H = 72

type Known = Met & { ended_at: number | undefined }
type World = { numbers: string[]; sessions: Known[]; hour: number }

const someone = fc.nat(3)
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('meet' as const), one: someone, other: someone, how: fc.nat(2) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('end' as const), which: fc.nat(), how: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reply' as const), which: fc.nat(), side: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), hours: fc.integer({ min: 1, max: 60 }) }) },
)

const isLive = ({ ended_at }: Known) => ended_at === undefined

/** What a person had of each number: where they are now, and where they reached others within the cool-down. */
function historyOf({ sessions, hour }: World, person: string, partner: string | undefined) {
  const taken = new Set<string>()
  const cooling = new Map<string, number>()
  for (const known of sessions) {
    const side = known.people.indexOf(person)
    const [number, other] = [known.numbers[side], known.people[1 - side]]
    if (side < 0 || number === undefined) continue
    if (isLive(known)) taken.add(number)
    else if (hour - (known.ended_at ?? 0) < COOL_DOWN_H && other !== partner) cooling.set(number, known.ended_at ?? 0)
  }
  return { taken, cooling }
}

/** A free number that is not cooling down where there is one, else the one released longest ago. */
function assertGiven(world: World, person: string, partner: string | undefined, given: string | undefined) {
  const { taken, cooling } = historyOf(world, person, partner)
  const free = world.numbers.filter((number) => !taken.has(number))
  const cool = free.filter((number) => !cooling.has(number))
  const longestAgo = free.toSorted((a, b) => (cooling.get(a) ?? 0) - (cooling.get(b) ?? 0)).slice(0, 1)
  const allowed = cool.length > 0 ? cool : longestAgo
  assert.ok(given !== undefined && allowed.includes(given), `${given} is none of ${allowed}`)
}

function assertNumbers(world: World, met: Met, beginning: Beginning) {
  const [one, other] = met.people
  const known = { both: [other, one], first: [undefined, one], second: [other, undefined] } as const
  const partners = known[beginning === 'both at once' ? 'both' : beginning === 'one by one' ? 'first' : 'second']
  for (const side of [0, 1] as const) assertGiven(world, met.people[side], partners[side], met.numbers[side])
}

test('whatever happens, nobody is given a number by which they reached somebody else while another one is free', async () => {
  const server = await shared()
  let [replies, meetings] = [0, 0]
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 40 }), async (steps) => {
      const service = await makeService(server, 3)
      const people = Array.from({ length: 4 }, newStranger)
      const world: World = { numbers: service.numbers.map((number) => number.phone_number), sessions: [], hour: 0 }
      const pass = async (hours: number) => {
        world.hour += hours
        await letPass(server, service, hours * 3600)
      }
      for (const action of steps) {
        if (action.kind === 'wait') await pass(action.hours)
        if (action.kind === 'meet') {
          const [one, other] = [people[action.one] ?? '', people[action.other] ?? '']
          const isFull = [one, other].some((each) => historyOf(world, each, undefined).taken.size === 3)
          if (one === other || isFull) continue
          const beginning = BEGINNINGS[action.how] ?? 'both at once'
          const met = await meet(server, service, [one, other], beginning)
          assertNumbers(world, met, beginning)
          world.sessions.push({ ...met, ended_at: undefined })
          meetings++
        }
        const live = world.sessions.filter(isLive)
        const ended = action.kind === 'end' ? live[action.which % live.length] : undefined
        if (action.kind === 'end' && ended) {
          await end(server, ended, ENDINGS[action.how] ?? 'closed')
          // One that ran out is found to be over.
          await server.get(ended.session.path)
          ended.ended_at = world.hour
          await pass(1)
        }
        const over = world.sessions.filter((known) => !isLive(known))
        const replied = action.kind === 'reply' ? over[action.which % over.length] : undefined
        if (action.kind === 'reply' && replied) {
          const [writer, number] = [replied.people[action.side] ?? '', replied.numbers[action.side] ?? '']
          const has = live.some((known) =>
            known.people.some((each, side) => each === writer && known.numbers[side] === number),
          )
          assert.equal(await relayed(server, service, await server.text(writer, number, 'Late')), has)
          replies++
        }
      }
    }),
    { numRuns: 12 },
  )
  assert.ok(meetings > 30 && replies > 10, `${meetings} meetings and ${replies} late replies`)
})
