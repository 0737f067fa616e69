import { searchLiveRows } from '../test/support/person-search.ts'
import { type PrivateWorld, query, startPrivateWorld } from './privacy/world.ts'
import type { Proof } from './proof.ts'
import type { Break } from './support/broken-copy.ts'
import { inScope } from './support/scope.ts'
import { withStore } from './support/with-store.ts'

/**
 * People are erased one after the other, and sought in every row: by blind index, and in what is sealed, which the search opens.
 * Before it the export is held against what each is known to have written.
 */
const LIMIT_S = 60

const without = (passage: string): Break => ({ file: 'core/privacy/erase.ts', passage, becomes: '' })

/**
 * What is left by a server that forgets to erase it: what was written outside of sessions, that somebody is blocked, what left,
 * and what the application answered.
 */
const FORGOTTEN: Record<string, Break> = {
  'interactions.sender_hash': without('  await eraseOutside(store, subject, counts)\n'),
  'blocked_numbers.identifier_hash': without('    await eraseBlocks(trx, subject, counts)\n'),
  'interactions.sent_data_sealed': without('      sent_data_sealed: null,\n'),
  'callback_attempts.response_sealed': without('  await forgetResponses(db, service_sid, sids)\n'),
}

export const x15Erasure: Proof = {
  id: 'X15',
  name: 'x15-erasure',
  promise: 'an erased person is in no live row within a minute, and the export has all there was',
  goal: '0 occurrences within 60 s, nothing missing from an export',
  sizes: { short: 5, full: 200, unit: 'conversations' },
  run: async ({ size, progress }) => {
    progress('people talk')
    const found = await inScope(async (scope) => eraseAll(await startPrivateWorld(scope, size), progress))
    progress('control')
    const control = await inScope(async (scope) =>
      eraseAll(await startPrivateWorld(scope, 2, Object.values(FORGOTTEN)), progress),
    )
    return {
      figure:
        `${found.left.length} occurrences of ${found.people} people after ${found.slowest_s.toFixed(1)} s at most, ` +
        `${found.before} before; ${found.missing} texts missing from exports`,
      holds: found.left.length + found.missing === 0 && found.before > 0 && found.slowest_s <= LIMIT_S,
      control: {
        figure: `${control.left.length} left by a server that forgets strangers, blocks, what was redacted and what applications answered`,
        fails: Object.keys(FORGOTTEN).every((column) => control.left.includes(column)),
      },
      details: [...new Set(found.left)].slice(0, 20),
    }
  },
}

async function eraseAll(world: PrivateWorld, progress: (what: string) => void) {
  const { api, env, canaries, people } = world
  const textsOf = (wanted: string) => canaries.filter(({ kind }) => kind === wanted).map(({ text }) => text)
  const words = textsOf('words')
  const exports: string[] = []
  const erased: string[] = []
  let slowest_s = 0
  const before = await withStore(env, (store) => searchLiveRows(store, people))
  for (const [at, Identifier] of people.entries()) {
    progress(`${at} of ${people.length} people`)
    const { text, body } = await api.ask('POST', '/maskline/v1/Privacy/Export', [['Identifier', Identifier]])
    // Those who called belong to the other account.
    if (body.participants.length + body.outside_sessions.length === 0) continue
    exports.push(text, attachmentsOf(body))
    const began = performance.now()
    await api.post('/maskline/v1/Privacy/Erase', [['Identifier', Identifier]])
    slowest_s = Math.max(slowest_s, (performance.now() - began) / 1000)
    erased.push(Identifier)
  }
  await query(world, 'vacuum')
  await query(world, 'checkpoint')
  const said = exports.join('\n')
  // One text met a fault of the database and was never taken in.
  const stored = words.slice(0, -1)
  const missing = stored.filter((text) => !said.includes(text)).length
  const left = await withStore(env, (store) => searchLiveRows(store, erased, [...stored, ...textsOf('answer')]))
  return { left, before: before.length, missing, slowest_s, people: erased.length }
}

type Exported = { interactions?: { media: { base64: string | null }[] }[] }

const attachmentsOf = (body: Exported) =>
  (body.interactions ?? [])
    .flatMap(({ media }) => media.map(({ base64 }) => Buffer.from(base64 ?? '', 'base64').toString()))
    .join('\n')
