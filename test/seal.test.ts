import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createKeyring, type DataKey, SealError, unwrapKey, wrapKey } from '../src/core/seal.ts'
import { isSid, newSid } from '../src/core/sid.ts'

const dataKeys = (): DataKey[] =>
  (['seal', 'index', 'digest'] as const).map((purpose, at) => ({ id: at + 1, purpose, key: randomBytes(32) }))

test('a sealed value opens in its place and nowhere else', () => {
  const keys = createKeyring(dataKeys())
  const sealed = keys.seal('KP1/identifier', '+12025550101')
  assert.equal(keys.open('KP1/identifier', sealed), '+12025550101')
  assert.throws(() => keys.open('KP2/identifier', sealed), SealError, 'another row')
  assert.throws(() => keys.open('KP1/friendly_name', sealed), SealError, 'another column')
  assert.ok(!sealed.includes('2025550101'), 'the number does not stand in it')
  assert.notDeepEqual(
    keys.seal('KP1/identifier', '+12025550101'),
    sealed,
    'the same text is sealed differently each time',
  )
})

test('a sealed value that was changed anywhere does not open', () => {
  const keys = createKeyring(dataKeys())
  const sealed = keys.seal('KI1/data', 'On my way')
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed)
    changed[at] = (changed[at] ?? 0) ^ 1
    assert.throws(() => keys.open('KI1/data', changed), SealError, `byte ${at}`)
  }
  assert.throws(() => keys.open('KI1/data', sealed.subarray(0, 20)), 'cut short')
})

test('the blind index is the same for the same number, and tells nothing to who has another key', () => {
  const keys = createKeyring(dataKeys())
  assert.deepEqual(keys.blindIndex('+12025550101'), keys.blindIndex('+12025550101'))
  assert.notDeepEqual(keys.blindIndex('+12025550101'), keys.blindIndex('+12025550102'))
  assert.notDeepEqual(createKeyring(dataKeys()).blindIndex('+12025550101'), keys.blindIndex('+12025550101'))
})

test('a data key comes out of its wrapping under the master key alone, for its purpose alone', () => {
  const [master, key] = [randomBytes(32), randomBytes(32)]
  const wrapped = wrapKey(master, 'seal', key)
  assert.deepEqual(unwrapKey(master, 'seal', wrapped), key)
  assert.throws(() => unwrapKey(randomBytes(32), 'seal', wrapped), SealError)
  assert.throws(() => unwrapKey(master, 'index', wrapped), SealError)
})

test('SIDs have the vendor’s form, are never the same and sort in the order in which they were made', () => {
  const sids = Array.from({ length: 50_000 }, () => newSid('KI'))
  assert.ok(sids.every((sid) => isSid('KI', sid)))
  assert.equal(new Set(sids).size, sids.length)
  assert.deepEqual(sids.toSorted(), sids)
  const [older, newer] = [newSid('KC', Date.UTC(2031, 0)), newSid('KC', Date.UTC(2030, 0))]
  assert.ok(older < newer, 'also when the clock is set back')
})

test('what only looks like a SID is none', () => {
  for (const text of [
    '',
    'KS',
    `KS${'0'.repeat(31)}`,
    `KS${'0'.repeat(33)}`,
    `ks${'0'.repeat(32)}`,
    `KS${'g'.repeat(32)}`,
  ]) {
    assert.equal(isSid('KS', text), false, text)
  }
  assert.equal(isSid('KS', `KS${'aF'.repeat(16)}`), true, 'either case')
})
