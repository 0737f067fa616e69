import type pg from 'pg'
import type { Scope } from '../proof/support/scope.ts'
import { newSid } from '../src/core/sid.ts'
import { relayEventStatement } from '../src/db/statements/relay-event.ts'
import { type Pgbench, preparePgbench, withVariables } from './pgbench.ts'
import type { World } from './world.ts'

/**
 * The ceiling of taking messages in one by one: pgbench with the statement that the server makes for each, on random people
 * of the same data set. pgbench knows numbers only, so every so many statements it reads the texts for the next ones.
 */
const EVENTS = 10

/** Its parameters that differ from event to event, by their place; the others stay as the server sends them. */
const CHANGING: Record<number, string> = { 3: 'number', 4: 'hash', 5: 'event', 6: 'sid', 7: 'event' }

export async function prepareRelayCeiling(world: World, scope: Scope): Promise<Pgbench> {
  const { text, values } = await captureStatement(world)
  await world.query(
    `create table bench_events as
     select nth / ${EVENTS} as at, ${columns(
       (k) => `array[max(number) filter (where nth % ${EVENTS} = ${k})]::text as number${k},
       array[max(hash::text) filter (where nth % ${EVENTS} = ${k})]::text as hash${k}`,
     )}
     from (select proxy_identifier as number, identifier_hash as hash, row_number() over (order by identifier_hash) - 1 as nth
           from participants where date_released is null) numbered
     group by 1 having count(*) = ${EVENTS}`,
  )
  await world.query('create unique index on bench_events (at)')
  await world.query('vacuum (analyze) bench_events')
  const [made] = await world.query<{ rows: number }>('select count(*)::int as rows from bench_events')
  const fresh = columns(
    (k) => `array['KI' || replace(uuidv7()::text, '-', '')]::text as sid${k},
      array['SM' || md5(random()::text || :at)]::text as event${k}`,
  )
  const statements = Array.from({ length: EVENTS }, (_, k) => {
    const names = values.map((_value, at) => (CHANGING[at + 1] ? `${CHANGING[at + 1]}${k}` : `p${at + 1}`))
    return `${withVariables(text, names)};`
  })
  const script = [
    `\\set at random(0, ${(made?.rows ?? 0) - 1})`,
    `select ${columns((k) => `number${k}, hash${k}`)}, ${fresh} from bench_events where at = :at \\gset`,
    ...statements,
  ]
  const constant = values.flatMap((value, at) => (CHANGING[at + 1] ? [] : [[`p${at + 1}`, asText(value)]]))
  const variables = Object.fromEntries(constant) as Record<string, string>
  const run = preparePgbench(scope, { database_url: world.database_url, script: script.join('\n'), variables })
  return async (load) => (await run(load)) * EVENTS
}

const columns = (of: (k: number) => string) => Array.from({ length: EVENTS }, (_, k) => of(k)).join(', ')

/** The statement as it stands in the program, and what it sends for a text of the usual length. */
async function captureStatement({ service_sid, carrier_sid }: World): Promise<{ text: string; values: unknown[] }> {
  const captured: { text: string; values: unknown[] }[] = []
  const client = {
    query: async (query: { text: string; values: unknown[] }) => {
      captured.push(query)
      return { rows: [] }
    },
    release: () => undefined,
  }
  const listening = { connect: async () => client }
  await relayEventStatement(listening as unknown as pg.Pool, {
    ...{
      service_sid,
      carrier_sid,
      type: 'message',
      watch_s: 0,
      num_media: 0,
      num_segments: 1,
      is_opt_out: false,
      is_flood: false,
      media: [],
    },
    ...{ proxy_identifier: '', identifier_hash: Buffer.alloc(0), event_id: '', resource_sid: '' },
    interaction_sid: newSid('KI'),
    data_sealed: Buffer.alloc(30 + 20, 1),
    sender_sealed: Buffer.alloc(30 + 12, 1),
    geography: { FromCountry: 'US', ToCountry: 'US' },
  })
  const [query] = captured
  if (!query) throw new Error('relayEventStatement asked the database nothing.')
  return query
}

/** As PostgreSQL reads it. */
function asText(value: unknown): string {
  if (Buffer.isBuffer(value)) return `\\x${value.toString('hex')}`
  if (Array.isArray(value)) return `{${value.map((item) => JSON.stringify(asText(item))).join(',')}}`
  return String(value)
}
