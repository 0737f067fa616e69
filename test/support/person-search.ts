import type { Store } from '../../src/core/store.ts'

/**
 * Where somebody is in the live rows: by blind index, or in what is sealed, which is opened for it as nothing else does. Says
 * `table.column`, once for each value. `texts` are what else must not be found, such as what they wrote.
 */
export async function searchLiveRows(store: Store, identifiers: string[], texts: string[] = []): Promise<string[]> {
  const { keys, pool } = store
  const hashes = identifiers.map((identifier) => keys.blindIndex(identifier).toString('hex'))
  const digits = identifiers.map((identifier) => identifier.replace(/\D/g, ''))
  const found: string[] = []
  const tables = await pool.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public'`,
  )
  for (const { name } of tables.rows) {
    const { rows } = await pool.query<Record<string, unknown>>(`select * from "${name}"`)
    for (const row of rows) {
      for (const [column, value] of Object.entries(row)) {
        if (value === null || value instanceof Date) continue
        const text = Buffer.isBuffer(value) ? opened(store, name, column, row, value) : JSON.stringify(value)
        const isIndex = Buffer.isBuffer(value) && hashes.includes(value.toString('hex'))
        const isNamed = [...digits, ...texts].some((wanted) => text.includes(wanted))
        if (isIndex || isNamed) found.push(`${name}.${column}`)
      }
    }
  }
  return found.sort()
}

/** What a sealed value says; of what is a key or a digest, its digits. */
function opened({ keys }: Store, table: string, column: string, row: Record<string, unknown>, value: Buffer): string {
  const place = placeOf(table, column, row)
  if (!place || value.length === 0) return value.toString('hex')
  return keys.open(place, value)
}

/** As `core/seal.ts` is told it by whoever seals. */
function placeOf(table: string, column: string, row: Record<string, unknown>): string | undefined {
  if (table === 'media') {
    const item = `${row.interaction_sid}/media/${row.position}`
    return column === 'bytes_sealed' ? `${item}/bytes` : item
  }
  if (table === 'idempotency_keys')
    return column === 'body_sealed' ? `${row.account_sid}/idempotency/${row.key}` : undefined
  return column.endsWith('_sealed') ? `${row.sid}/${column.slice(0, -'_sealed'.length)}` : undefined
}
