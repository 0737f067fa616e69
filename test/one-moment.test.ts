import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Change, findMissing } from '../proof/support/one-moment.ts'

const change = (what: string, began_at: number, ended_at: number): Change => ({ what, sid: what, began_at, ended_at })

const CHANGES = [
  change('first', 1_000, 1_100),
  change('slow', 1_050, 1_900),
  change('second', 1_200, 1_300),
  change('third', 1_400, 1_500),
]

const missing = (there: string[], since: number) =>
  findMissing(CHANGES, ({ what }) => there.includes(what), since).map(({ what }) => what)

test('a state of one moment misses nothing, whichever of the changes under way then it has', () => {
  assert.deepEqual(missing(['first', 'slow', 'second', 'third'], 2_000), [])
  assert.deepEqual(missing([], 1_000), [])
  assert.deepEqual(missing(['first'], 1_150), [])
  assert.deepEqual(missing(['first', 'slow'], 1_150), [])
  assert.deepEqual(missing(['first', 'second', 'third'], 1_150), [], 'the slow one had not been acknowledged')
})

test('what was acknowledged before the moment, or before anything that is there was begun, is missed', () => {
  assert.deepEqual(missing([], 1_150), ['first'])
  assert.deepEqual(missing(['first', 'second'], 2_000), ['slow', 'third'])
  assert.deepEqual(missing(['third'], 1_000), ['first', 'second'])
  assert.deepEqual(missing(['slow', 'third'], 1_000), ['first', 'second'])
})
