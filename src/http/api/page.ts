import Type, { type TObject } from 'typebox'
import { invalidParameter } from '../../core/errors.ts'
import type { Page, PageRequest } from '../../core/page.ts'
import type { Form } from './form.ts'
import { Nullable, Url } from './present.ts'

const DEFAULT_SIZE = 50
const MAX_SIZE = 100
const MAX_SKIP = 2 ** 31 - 1

/** Lists read these from the query; clients follow `meta.next_page_url` as it is. */
export const PageQuery = Type.Object({
  PageSize: Type.Optional(Type.Integer({ minimum: 1, description: 'Rows a page, 50 unless given; at most 100 come.' })),
  Page: Type.Optional(Type.Integer({ minimum: 0, description: 'The number of the page, for display.' })),
  PageToken: Type.Optional(Type.String({ description: 'Where the page begins, from a page URL.' })),
})

type ListOf = { key: string; url: string }
export type ListQuery = { request: PageRequest; number: number; token: string | undefined }

/**
 * A large PageSize is lowered, never refused: several clients send whatever `limit` their caller gave. Throws 20001 for
 * what is no number or no token of ours.
 */
export function parsePage(form: Form): ListQuery {
  const size = parseCount(form, 'PageSize', 1) ?? DEFAULT_SIZE
  const number = parseCount(form, 'Page', 0) ?? 0
  const token = form.get('PageToken')?.at(-1) || undefined
  const effective = Math.min(size, MAX_SIZE)
  const skip = Math.min(number * effective, MAX_SKIP)
  return { request: { size: effective, from: token ? parseToken(token) : { skip } }, number, token }
}

function parseCount(form: Form, name: string, minimum: number): number | undefined {
  const value = form.get(name)?.at(-1)
  if (!value) return undefined
  const count = /^\d+$/.test(value) ? Number(value) : -1
  if (count < minimum) throw invalidParameter(name)
  return Math.min(count, MAX_SKIP)
}

function parseToken(token: string): PageRequest['from'] {
  const [, direction, sid] = /^P([AB])([A-Z]{2}[0-9a-fA-F]{32})$/.exec(token) ?? []
  if (!sid) throw invalidParameter('PageToken')
  return direction === 'A' ? { after: sid } : { before: sid }
}

/** The address of a list with what was filtered by, so that its pages are filtered alike. */
export function filteredUrl(list: string, filter: TObject, form: Form): string {
  const url = new URL(list)
  for (const name of Object.keys(filter.properties)) {
    const value = form.get(name)?.at(-1)
    if (value) url.searchParams.set(name, value)
  }
  return url.href
}

/** The body of a list: the rows under `key`, and `meta`. */
export function presentPage<Row extends { sid: string }>(
  found: Page<Row>,
  query: ListQuery,
  list: { key: string; url: string; present: (row: Row) => object },
): object {
  return { [list.key]: found.rows.map(list.present), meta: presentMeta(found, query, list) }
}

/** The same, of rows that are written already. */
export function writePage<Row extends { sid: string }>(
  found: Page<Row>,
  query: ListQuery,
  list: { key: string; url: string; write: (row: Row) => string },
): Buffer {
  const meta = JSON.stringify(presentMeta(found, query, list))
  return Buffer.from(`{"${list.key}":[${found.rows.map(list.write).join(',')}],"meta":${meta}}`)
}

/** The seven keys that clients page by. */
function presentMeta(found: Page<{ sid: string }>, query: ListQuery, list: ListOf) {
  const { rows, has_next, has_previous, looked_to } = found
  const { number, request, token } = query
  const start = `${list.url}${list.url.includes('?') ? '&' : '?'}PageSize=${request.size}&Page=`
  const pageUrl = (page: number, place?: string) => `${start}${page}${place ? `&PageToken=${place}` : ''}`
  const isBackwards = 'before' in request.from
  const first = (isBackwards && looked_to) || rows[0]?.sid
  const last = (!isBackwards && looked_to) || rows.at(-1)?.sid
  return {
    page: number,
    page_size: request.size,
    first_page_url: pageUrl(0),
    previous_page_url: has_previous && first ? pageUrl(Math.max(0, number - 1), `PB${first}`) : null,
    next_page_url: has_next && last ? pageUrl(number + 1, `PA${last}`) : null,
    url: pageUrl(number, token),
    key: list.key,
  }
}

export const PageOf = <Item extends import('typebox').TSchema>(key: string, item: Item) =>
  Type.Object({
    [key]: Type.Array(item),
    meta: Type.Object({
      page: Type.Integer(),
      page_size: Type.Integer(),
      first_page_url: Url,
      previous_page_url: Nullable(Url),
      next_page_url: Nullable(Url),
      url: Url,
      key: Type.Literal(key),
    }),
  })
