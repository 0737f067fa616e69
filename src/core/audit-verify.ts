import { sql } from 'kysely'
import { CONTENT, type End, type Ends, NO_SEAL, proofOf, readEnds, sealOf } from './audit-chain.ts'
import type { Keyring } from './seal.ts'
import type { Store } from './store.ts'

/** An entry as it is held against its seal. */
export type Link = { position: number; seal: Buffer; sid: string; content: string }

/** All of them, in the order in which they are to be given to a verifier. */
export const LINKS = `select position::float8 as position, seal, sid, ${CONTENT} as content from audit_entries`

/** `name` is the SID of an entry, or its position where there is none. */
export type Problem = { name: string; problem: string }

/**
 * Holds entries, in their order, against their seals and the ends; `anchor` is an end that was noted elsewhere. An entry
 * that was changed is told once: those after it follow its seal. Of an entry after a gap the seal cannot be judged.
 */
export function createVerifier(keys: Keyring, ends: Ends, anchor?: End) {
  const problems: Problem[] = []
  const tell = (name: string | number, problem: string) => problems.push({ name: String(name), problem })
  const { start, head } = ends
  for (const [place, end] of Object.entries(ends) as ['start' | 'head', Required<Ends>['head']][]) {
    if (!proofOf(keys, place, end).equals(end.proof)) tell(place, `The ${place} of the log is not what we left there.`)
  }
  if (anchor && anchor.position === start?.position) compare(start)
  let last: End = start ?? { position: 0, seal: NO_SEAL }

  function compare(end: End) {
    if (anchor && !anchor.seal.equals(end.seal)) tell(anchor.position, 'It is not the entry that was the head once.')
  }

  function missing(until: number) {
    const [from, to] = [last.position + 1, until - 1]
    if (from <= to) tell(from === to ? from : `${from}–${to}`, 'Missing.')
  }

  return {
    take(link: Link) {
      missing(link.position)
      const follows = link.position === last.position + 1
      if (follows && !sealOf(keys, last.seal, link.position, link.content).equals(link.seal)) {
        tell(link.sid, `Entry ${link.position} is not what was sealed.`)
      }
      if (link.position === anchor?.position) compare(link)
      if (link.position > last.position) last = link
      else tell(link.sid, `Entry ${link.position} is before the start of the log.`)
    },
    finish(): { entries: End; problems: Problem[] } {
      if (head) missing(head.position + 1)
      if (last.position > (head?.position ?? 0)) tell(last.position, 'After the head of the log.')
      if (anchor && anchor.position > Math.max(last.position, head?.position ?? 0)) {
        tell(anchor.position, `Cut off: the log ends at ${last.position}.`)
      }
      return { entries: last, problems }
    },
  }
}

const PAGE = 5_000

/** The whole log, as it is at one moment. Also says how many deeds wait to be sealed. */
export async function verifyAuditLog(store: Store, anchor?: End) {
  return await store.db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (db) => {
      const ends = await readEnds(db)
      const { take, finish } = createVerifier(store.keys, ends, anchor)
      let entries = 0
      await sql`declare links no scroll cursor for ${sql.raw(LINKS)} order by position`.execute(db)
      for (;;) {
        const { rows } = await sql<Link>`fetch ${sql.lit(PAGE)} from links`.execute(db)
        rows.forEach(take)
        entries += rows.length
        if (rows.length < PAGE) break
      }
      const { waiting } = await db
        .selectFrom('audit_pending')
        .select(sql<number>`count(*)::int`.as('waiting'))
        .executeTakeFirstOrThrow()
      const start = ends.start?.position ?? 0
      const { problems } = finish()
      return { entries, start, waiting, problems, is_anchor_purged: anchor !== undefined && anchor.position < start }
    })
}
