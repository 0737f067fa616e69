import type { End, Ends } from '../audit-chain.ts'
import { createVerifier, LINKS, type Link } from '../audit-verify.ts'
import { type Check, found, type Look } from './check.ts'

/** That nobody changed, added, removed or reordered entries of the audit log. */
export const AUDIT_CHECKS: Check[] = [
  {
    id: 'audit-chain',
    level: 'fault',
    means: 'Every entry of the audit log is as it was sealed, and none is missing before its head.',
    advice:
      'Somebody wrote to the database directly. Compare with a backup; `maskline audit verify` names every place.',
    find: { read: readChain, opens: 'many' },
  },
  {
    id: 'audit-waits',
    level: 'warning',
    means: 'What was done becomes an entry of the audit log within seconds.',
    advice:
      'Start a server, or look in its log for why it does not seal entries: until then they can be changed unseen.',
    find: { rows: "select sid from audit_pending where date_created < now() - interval '1 minute'" },
  },
]

async function readChain({ keys, query, stream }: Look) {
  if (!keys) throw new Error('The data keys are needed for this.')
  type Row = End & { place: 'start' | 'head'; proof: Buffer }
  const rows = await query<Row>('select place, position::float8 as position, seal, proof from audit_ends')
  const ends: Ends = Object.fromEntries(rows.map(({ place, ...end }) => [place, end]))
  const { take, finish } = createVerifier(keys, ends)
  await stream<Link>(`${LINKS} order by position`, take)
  const { problems } = finish()
  return {
    'audit-chain': found(
      problems.map(({ name }) => name),
      problems[0]?.problem,
    ),
  }
}
