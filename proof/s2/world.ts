import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { createAccount } from '../../src/core/accounts.ts'
import { type Carrier, CarrierError, type OutboundMessage, type SentMessage } from '../../src/core/carrier.ts'
import { addCarrier, type Carriers } from '../../src/core/carriers.ts'
import { createDirectory, type Directory } from '../../src/core/directory.ts'
import { openKeyring } from '../../src/core/keys.ts'
import { createService } from '../../src/core/services.ts'
import { sweepExpiredSessions } from '../../src/core/session-state.ts'
import { newSid } from '../../src/core/sid.ts'
import { openKysely, type Store } from '../../src/core/store.ts'
import type { Service } from '../../src/db/schema.ts'
import { asksCustomer, DEFAULT_TTL, NUMBERS } from './model.ts'

/** What the model is held against: the core on a database, with carriers that show every message they are given. */
export type World = {
  store: Store
  account_sid: string
  services: Service[]
  carrier_sids: string[]
  directory: Directory
  carriers: Carriers
  /** Judges a message that is handed to a carrier and says what becomes of it; a step of the workers sets it. */
  judge: (message: OutboundMessage, carrier: number) => SendOutcome
  /** Told that a carrier is asked about a message in doubt, before it answers. */
  beforeLookUp: (reference: string) => Promise<void>
  /** How many commands were run here. */
  ran: number
  /** What the carriers have, by reference: each at most once. */
  taken: Map<string, SentMessage>
}

export type SendOutcome = 'sent' | 'not-sent' | 'unknown, has it' | 'unknown, lost it' | 'refused'

/** A database for one run at a time. */
export type Lane = Pick<World, 'store' | 'account_sid' | 'carrier_sids'> & { stop: () => Promise<void> }

export async function openLane(url: string): Promise<Lane> {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  const db = openKysely(pool)
  const rules = {
    public_url: 'https://maskline.example',
    number_validation: 'possible',
    radius_miles: 50,
    match_calling_code: true,
    retention_days: 90,
    number_hold_days: 3,
    ring_timeout_s: 30,
    max_call_s: 14_400,
    flood_limit: 0,
    repeat_limit: 0,
  } as const
  const store: Store = { db, pool, keys: await openKeyring(db, [randomBytes(32)]), rules }
  const account_sid = newSid('AC')
  await createAccount(store, { sid: account_sid, friendly_name: 'model' })
  const carrier_sids: string[] = []
  for (const friendly_name of ['one', 'two']) {
    const { sid } = await addCarrier(store, { account_sid, kind: 'watched', friendly_name, credentials: {} })
    carrier_sids.push(sid)
  }
  for (const { number, carrier, country, voice, reserved } of NUMBERS) {
    const sid = newSid('PN')
    await pool.query(
      `insert into phone_numbers (sid, account_sid, carrier_sid, carrier_number_sid, phone_number, friendly_name,
         iso_country, capabilities, is_reserved) values ($1, $2, $3, $1, $4, $4, $5, $6, $7)`,
      [sid, account_sid, carrier_sids[carrier], number, country, { voice, sms: true, mms: true, fax: false }, reserved],
    )
  }
  return { store, account_sid, carrier_sids, stop: () => pool.end() }
}

/** Two services with nothing in them but their numbers. */
export async function startWorld(lane: Lane): Promise<World> {
  const { store, account_sid } = lane
  const services: Service[] = []
  for (const at of [0, 1]) {
    const service = await createService(store, account_sid, {
      unique_name: newSid('KS'),
      default_ttl: (DEFAULT_TTL[at] ?? 0) * 3600,
      intercept_callback_url: asksCustomer(at) ? 'https://customer.example/intercept' : null,
    })
    services.push(service)
    const numbers = NUMBERS.filter((each) => each.service === at).map((each) => each.number)
    await store.pool.query('update phone_numbers set service_sid = $1 where phone_number = any($2)', [
      service.sid,
      numbers,
    ])
  }
  const world: World = {
    ...lane,
    services,
    directory: createDirectory(store),
    carriers: { kinds: [], list: async () => [], find: async (sid) => opened.get(sid) },
    judge: () => {
      throw new Error('a message is sent while no worker works')
    },
    beforeLookUp: async () => undefined,
    ran: 0,
    taken: new Map(),
  }
  const opened = new Map(
    lane.carrier_sids.map(
      (sid, at) => [sid, { carrier: watchedCarrier(world, at), account_sid, account_status: 'active' }] as const,
    ),
  )
  return world
}

/** Only what the workers use: whatever else is asked of it throws. */
const watchedCarrier = (world: World, at: number) =>
  ({
    kind: 'watched',
    sendMessage: async (message: OutboundMessage) => {
      const outcome = world.judge(message, at)
      const sent = { carrier_message_id: `at-carrier-${message.reference}`, resource_sid: undefined, status: 'queued' }
      if (outcome === 'sent' || outcome === 'unknown, has it') world.taken.set(message.reference, sent as SentMessage)
      if (outcome === 'sent') return sent as SentMessage
      if (outcome === 'refused') throw new CarrierError('refused', 'opted out', { code: 21610 })
      throw new CarrierError(outcome === 'not-sent' ? 'not-sent' : 'unknown', outcome)
    },
    findSentMessage: async ({ reference }: OutboundMessage) => {
      await world.beforeLookUp(reference)
      return world.taken.get(reference)
    },
  }) as unknown as Carrier

/** Empties the services, so that nothing of one run is due in the next. */
export async function endWorld({ store, services }: World): Promise<void> {
  const tables = ['sessions', 'participants', 'interactions', 'events', 'released_pairs']
  const sids = services.map(({ sid }) => `'${sid}'`).join(', ')
  await store.pool.query(tables.map((table) => `delete from ${table} where service_sid in (${sids});`).join('\n'))
}

/** Lets time pass by moving everything into the past, since the database's clock is not ours to set. */
export async function shiftTime({ store, services }: World, hours: number): Promise<void> {
  const sids = services.map(({ sid }) => `'${sid}'`).join(', ')
  const moved = (columns: string[]) => columns.map((column) => `${column} = ${column} - interval '${hours} hours'`)
  await store.pool.query(`
    update sessions set ${moved(['ttl_since', 'date_expiry', 'date_created', 'date_started', 'date_ended'])}
    where service_sid in (${sids});
    update participants set ${moved(['date_created', 'date_released'])} where service_sid in (${sids});
    update interactions set ${moved(['due_at', 'send_started_at', 'date_created'])} where service_sid in (${sids});`)
}

/** What a run sees of chance and of the process's clock, apart from the runs beside it, so that a seed repeats it. */
export type Surroundings = { random: () => number; clock_ms: number }

export const surroundings = new AsyncLocalStorage<Surroundings>()

export function takeOverClockAndChance(): void {
  const RealDate = Date
  const realRandom = Math.random
  const shift = () => surroundings.getStore()?.clock_ms ?? 0
  Math.random = () => surroundings.getStore()?.random() ?? realRandom()
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args) =>
      args.length === 0 ? new target(target.now() + shift()) : Reflect.construct(target, args),
    get: (target, name) => (name === 'now' ? () => target.now() + shift() : Reflect.get(target, name)),
  })
}

const MOST_SWEEPS = 100

/** Until nothing that has run out is left. */
export async function sweepAll({ store }: Pick<World, 'store'>): Promise<void> {
  let sweeps = 0
  while ((await sweepExpiredSessions(store, 50)) > 0) assert.ok(++sweeps < MOST_SWEEPS, 'what is swept stays open')
}
