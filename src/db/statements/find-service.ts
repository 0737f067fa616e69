import type pg from 'pg'
import type { Service } from '../schema.ts'
import { inBatches } from './batch.ts'

/** Services by SID, as almost every request of the API needs one: those asked for at the same moment in one round trip. */
export const findServiceStatement: (pool: pg.Pool, sid: string) => Promise<Service | undefined> = inBatches({
  keyOf: () => 'services',
  lanes: 2,
  most: 64,
  async run(client, sids) {
    const text = 'select * from services where sid = any((select $1::text[])::text[])'
    const { rows } = await client.query<Service>({ name: 'find-service', text, values: [[...new Set(sids)]] })
    const found = new Map(rows.map((row) => [row.sid, row]))
    return sids.map((sid) => found.get(sid))
  },
})
