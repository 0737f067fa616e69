import pg from 'pg'

/** `name` of those that are prepared, whose plan may come to be one for any values. */
export type Statement = { name?: string; text: string; values: unknown[] }

/** Every statement that goes to a database from now on, once, with the first values it had. */
export function watchStatements(): { stop: () => Statement[] } {
  const seen = new Map<string, Statement>()
  const query = pg.Client.prototype.query
  const watched = function (this: pg.Client, ...args: unknown[]) {
    const [given, more] = args
    const { name, text, values } =
      typeof given === 'string' ? { name: undefined, text: given, values: more } : (given as Statement)
    const list = Array.isArray(values) ? values : Array.isArray(more) ? more : []
    const known = seen.get(text)
    // What the query builder prepares is planned by its values, where that is worth it.
    const isOurs = name && !name.startsWith('often-')
    if (known && isOurs) known.name = name
    else if (!known && /^\s*(with|select|insert|update|delete)\b/i.test(text))
      seen.set(text, { ...(isOurs ? { name } : {}), text, values: list })
    return Reflect.apply(query, this, args)
  }
  Object.assign(pg.Client.prototype, { query: watched })
  return {
    stop() {
      Object.assign(pg.Client.prototype, { query })
      return [...seen.values()]
    },
  }
}

export type Plan = {
  'Node Type': string
  'Relation Name'?: string
  'Index Name'?: string
  'Index Cond'?: string
  Filter?: string
  'Plan Rows': number
  Plans?: Plan[]
}

/** The plan for these values, and the one for any. */
export async function plansOf(client: pg.ClientBase, { name, text, values }: Statement): Promise<Record<string, Plan>> {
  const read = async (statement: string, given: unknown[] = []): Promise<Plan> => {
    const { rows } = await client.query(statement, given)
    return rows[0]['QUERY PLAN'][0].Plan
  }
  const custom = await read(`explain (format json) ${text}`, values)
  if (!name) return { custom }
  await client.query(`prepare planned as ${text}`)
  try {
    const nothing = values.length > 0 ? `(${values.map(() => 'null').join(', ')})` : ''
    const generic = await read(`explain (format json) execute planned${nothing}`)
    return { custom, generic }
  } finally {
    await client.query('deallocate planned')
  }
}

/** All that an index is asked for when it is asked for everything of one service or account. */
const OF_THE_OWNER = /\(+(\w+\.)?(service_sid|account_sid) = [^()]*(\(\w+\.\w+\))?[^()]*\)+/g

/** Of a sort or a scan; and of a scan of all that one owner has, which the planner chooses knowing that it is little. */
const MOST_ROWS = 1_000
const MOST_OF_OWNER = 200

/** What is read from an index in its order until a page is full has to fit the page at least one time in so many. */
const MOST_MISSES = 10

/**
 * What of a plan costs the more the more rows the tables have: a scan of a whole one, or of all that one owner has in it, a sort
 * of many. A page or a batch may be read in the order of an index, where nothing between it and the limit waits for more.
 * `growing`: the tables that grow, and how many rows they have.
 */
export function findGrowing(plan: Plan, growing: ReadonlyMap<string, number>): string[] {
  const walk = (node: Plan, isLimited: boolean): string[] => {
    const kind = node['Node Type']
    const limited = kind === 'Limit' || (isLimited && !/Sort|Aggregate|Hash|Materialize|Bitmap|ModifyTable/.test(kind))
    return [...judge(node, limited, growing), ...(node.Plans ?? []).flatMap((inner) => walk(inner, limited))]
  }
  return walk(plan, false)
}

function judge(node: Plan, isLimited: boolean, growing: ReadonlyMap<string, number>): string[] {
  const { 'Node Type': kind, 'Relation Name': table, 'Index Name': index, 'Plan Rows': rows } = node
  if (kind === 'Sort' && rows > MOST_ROWS) return [`sorts ${rows} rows`]
  const size = growing.get(table ?? '')
  if (!/Scan/.test(kind) || (table && size === undefined)) return []
  if (kind === 'Seq Scan') return [`reads all of ${table}`]
  if (!index) return []
  const [isSought, isFiltered] = [node['Index Cond'], node.Filter].map(asksForMore)
  if (isLimited) {
    const misses = !isSought && isFiltered && rows * MOST_MISSES < (size ?? 0)
    return misses ? [`reads ${index} for ${node.Filter} until a page is full`] : []
  }
  if (!isSought && rows > MOST_OF_OWNER) return [`reads all of one owner by ${index}`]
  return rows > MOST_ROWS ? [`reads ${rows} rows by ${index}`] : []
}

const asksForMore = (condition = '') => condition.replace(OF_THE_OWNER, '').replace(/[()\s]|AND/g, '') !== ''

export const indexesOf = (plan: Plan): string[] => [
  ...(plan['Index Name'] ? [plan['Index Name']] : []),
  ...(plan.Plans ?? []).flatMap(indexesOf),
]
