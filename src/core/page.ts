import type { ReferenceExpression, SelectQueryBuilder } from 'kysely'
import type { Schema } from '../db/schema.ts'

/**
 * A page of a list, found by key and not by counting, so that rows created or deleted meanwhile neither repeat nor hide
 * others and page 200 costs what page 1 does. `skip` serves callers who ask for a page number without a token.
 */
export type PageRequest = { size: number; from: { after: string } | { before: string } | { skip: number } }
export type Page<Row> = {
  rows: Row[]
  has_next: boolean
  has_previous: boolean
  /** How far was looked, when that is not up to the last of the rows: from there it goes on. */
  looked_to?: string
}

/** Reads one page of `query`, oldest first, by the column `key` (a SID, hence the order of creation). */
export async function readPage<Tables extends keyof Schema, Row>(
  query: SelectQueryBuilder<Schema, Tables, Row>,
  key: ReferenceExpression<Schema, Tables>,
  page: PageRequest,
): Promise<Page<Row>> {
  const { from } = page
  let rows = query.orderBy(key, 'before' in from ? 'desc' : 'asc').limit(mostOf(page))
  if ('before' in from) rows = rows.where(key, '<', from.before as never)
  else if ('after' in from) rows = rows.where(key, '>', from.after as never)
  else if (from.skip > 0) rows = rows.offset(from.skip)
  return toPage(await rows.execute(), page)
}

/** How many rows to read for a page: one more than it has, which says whether there is another. */
export const mostOf = ({ size }: PageRequest) => size + 1

/** Of rows in the order in which they were looked for. */
export function toPage<Row>(rows: Row[], { size, from }: PageRequest): Page<Row> {
  const has_more = rows.length > size
  const some = rows.slice(0, size)
  if ('before' in from) return { rows: some.reverse(), has_next: true, has_previous: has_more }
  return { rows: some, has_next: has_more, has_previous: 'after' in from || from.skip > 0 }
}
