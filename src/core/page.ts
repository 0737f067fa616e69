import type { ReferenceExpression, SelectQueryBuilder } from 'kysely'
import type { Schema } from '../db/schema.ts'

/**
 * A page of a list, found by key and not by counting, so that rows created or deleted meanwhile neither repeat nor hide
 * others and page 200 costs what page 1 does. `skip` serves callers who ask for a page number without a token.
 */
export type PageRequest = { size: number; from: { after: string } | { before: string } | { skip: number } }
export type Page<Row> = { rows: Row[]; has_next: boolean; has_previous: boolean }

/** Reads one page of `query`, oldest first, by the column `key` (a SID, hence the order of creation). */
export async function readPage<Tables extends keyof Schema, Row>(
  query: SelectQueryBuilder<Schema, Tables, Row>,
  key: ReferenceExpression<Schema, Tables>,
  page: PageRequest,
): Promise<Page<Row>> {
  const { size, from } = page
  if ('before' in from) {
    const rows = await query
      .where(key, '<', from.before as never)
      .orderBy(key, 'desc')
      .limit(size + 1)
      .execute()
    return { rows: rows.slice(0, size).reverse(), has_next: true, has_previous: rows.length > size }
  }
  let forward = query.orderBy(key, 'asc').limit(size + 1)
  if ('after' in from) forward = forward.where(key, '>', from.after as never)
  else if (from.skip > 0) forward = forward.offset(from.skip)
  const rows = await forward.execute()
  return {
    rows: rows.slice(0, size),
    has_next: rows.length > size,
    has_previous: 'after' in from || from.skip > 0,
  }
}
