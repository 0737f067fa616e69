import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createReplay, type Pair, type Rule, type Window } from '../src/core/capacity/replay.ts'
import { createShared } from '../src/core/capacity/shared.ts'
import type { Store } from '../src/core/store.ts'

// The arithmetic of what would have been, held against a slow and plain model that looks at every second by itself.

const NUMBERS = 4
/** The last number is reserved; the others are of two groups. */
const GROUPS = [0, 0, 1, undefined]
const WINDOW: Window = { from: 10, step: 5, steps: 6 }
const NOW = WINDOW.from + WINDOW.step * WINDOW.steps

const anyPair = fc
  .record({
    number: fc.nat(NUMBERS - 1),
    from: fc.nat(NOW - 1),
    lasts: fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }),
    ttl_since: fc.option(fc.nat(10), { nil: undefined }),
    ran_out: fc.boolean(),
  })
  .map(({ number, from, lasts, ttl_since, ran_out }): Pair => {
    const to = lasts === undefined || from + lasts > NOW ? Number.POSITIVE_INFINITY : from + lasts
    const since = ttl_since === undefined ? undefined : from + ttl_since
    return { number, from, to, ttl_since: since, has_run_out: ran_out && since !== undefined && to <= NOW }
  })
const anyRule = fc.record({ default_ttl: fc.nat(20), cool_down_s: fc.nat(15) })
const anyPeople = fc.array(fc.array(anyPair, { maxLength: 6 }), { maxLength: 5 })

/** When a pair would have been released, in words of the documentation. */
function endOf(pair: Pair, { default_ttl }: Rule): number {
  if (pair.ttl_since === undefined) return pair.to
  if (default_ttl === 0) return pair.has_run_out ? Number.POSITIVE_INFINITY : pair.to
  const end = Math.max(pair.from, pair.ttl_since + default_ttl)
  return pair.has_run_out || end < pair.to ? end : pair.to
}

type Doing = 'live' | 'held'

function isAt(pairs: Pair[], number: number, second: number, rule: Rule, doing: Doing): boolean {
  return pairs.some((pair) => {
    const end = endOf(pair, rule) + (doing === 'held' ? rule.cool_down_s : 0)
    return pair.number === number && pair.from <= second && second < end
  })
}

function slowly(people: Pair[][], rule: Rule) {
  const all = Array.from({ length: NUMBERS }, (_, at) => at)
  const held = (pairs: Pair[], second: number, group?: number) =>
    all.filter(
      (number) =>
        GROUPS[number] !== undefined &&
        (group === undefined || GROUPS[number] === group) &&
        isAt(pairs, number, second, rule, 'held'),
    ).length
  const most = (second: number, group?: number) => Math.max(0, ...people.map((pairs) => held(pairs, second, group)))
  const seconds = Array.from({ length: NOW - WINDOW.from + 1 }, (_, at) => WINDOW.from + at)
  const peak_held = Math.max(...seconds.map((second) => most(second)))
  const count = (number: number, doing: Doing) => people.filter((pairs) => isAt(pairs, number, NOW, rule, doing)).length
  const stepOf = (second: number) => Math.min(WINDOW.steps - 1, Math.floor((second - WINDOW.from) / WINDOW.step))
  return {
    live: all.map((number) => count(number, 'live')),
    cooling: all.map((number) => count(number, 'held') - count(number, 'live')),
    busiest_of_group: [0, 1].map((group) => most(NOW, group)),
    busiest_held: most(NOW),
    peak_held,
    peak_at: peak_held === 0 ? undefined : seconds.find((second) => most(second) === peak_held),
    history: Array.from({ length: WINDOW.steps }, (_, step) =>
      Math.max(...seconds.filter((second) => stepOf(second) === step).map((second) => most(second))),
    ),
  }
}

function quickly(people: Pair[][], rule: Rule) {
  const { add, replayed } = createReplay(GROUPS, rule, WINDOW)
  for (const pairs of people) add(pairs)
  return { ...replayed, busiest_of_group: [0, 1].map((group) => replayed.busiest_of_group.get(group) ?? 0) }
}

test('what each person held at every moment is what looking at every second by itself says', () => {
  fc.assert(
    fc.property(anyPeople, anyRule, (people, rule) => {
      assert.deepEqual(quickly(people, rule), slowly(people, rule))
    }),
    { numRuns: 2_000 },
  )
})

test('control: with another rule, or with people taken for one, the two do not agree', () => {
  const differ = (change: (people: Pair[][], rule: Rule) => [Pair[][], Rule]) =>
    assert.throws(() =>
      fc.assert(
        fc.property(anyPeople, anyRule, (people, rule) => {
          assert.deepEqual(quickly(...change(people, rule)), slowly(people, rule))
        }),
        { numRuns: 2_000 },
      ),
    )
  differ((people, rule) => [people, { ...rule, cool_down_s: rule.cool_down_s + 1 }])
  differ((people, rule) => [people, { ...rule, default_ttl: rule.default_ttl + 1 }])
  differ((people, rule) => [[people.flat()], rule])
})

test('a figure is made once for all who ask at the same time, one after another, and anew where making it failed', async () => {
  const store = { keys: {} } as Store
  const share = createShared<number>()
  let [made, under_way, most] = [0, 0, 0]
  const make = async () => {
    most = Math.max(most, ++under_way)
    await new Promise((resolve) => setImmediate(resolve))
    under_way--
    return ++made
  }
  const answers = await Promise.all(['one', 'one', 'two', 'one'].map((key) => share(store, key, make)))
  assert.deepEqual([answers, made, most], [[1, 1, 2, 1], 2, 1])
  assert.equal(await share(store, 'one', make), 1, 'it is kept')
  const other = { keys: {} } as Store
  assert.equal(await share(other, 'one', make), 3, 'control: of another server it is another')
  await assert.rejects(share(store, 'three', () => Promise.reject(new Error('no'))))
  assert.equal(await share(store, 'three', make), 4)
})
