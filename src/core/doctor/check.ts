import type { Keyring } from '../seal.ts'

/** A fault breaks a promise, or will; a warning is something to look at in time. */
export type Level = 'fault' | 'warning'

export type Check = {
  id: string
  level: Level
  /** What holds when all is well, in one sentence. */
  means: string
  /** What to do when it does not. */
  advice: string
  find: Find
}

/**
 * How offenders are found: by a predicate on the rows of a source, so that one reading of a table answers all its checks;
 * by a statement of its own, with a column `sid`; or by a function, which may answer several checks at once as well,
 * and may have to open sealed values.
 */
export type Find = { of: Source; where: string } | { rows: string } | { read: Reading; opens?: 'few' | 'many' }

/** `examples` are SIDs or names of things in the schema, never numbers in clear. */
export type Found = { count: number; examples: string[]; note?: string; details?: Record<string, unknown>[] }

export type Reading = (look: Look) => Promise<Record<string, Found>>

export type Look = {
  /** Within the doctor's snapshot. */
  query: <Row>(text: string, values?: unknown[]) => Promise<Row[]>
  /** Reads in batches; `columns` of type bytea come as Buffers. */
  stream: <Row>(text: string, take: (row: Row) => void) => Promise<void>
  /** Undefined when the master key does not open the data keys. */
  keys: Keyring | undefined
  migrations: Migrations
  /** How many rows of a large table are opened; every one with Infinity. */
  most_opened: number
  /** This machine's clock, in ms. */
  now: () => number
  /** Whether a connection to the address can be made: why not, or undefined. */
  probe: Probe | undefined
}

export type Probe = (url: string) => Promise<string | undefined>

/** `problem`: the database and this program do not go together. */
export type Migrations = { pending: string[]; problem?: string }

export const EXAMPLES = 5

export const found = (offenders: string[], note?: string): Found => ({
  count: offenders.length,
  examples: offenders.slice(0, EXAMPLES),
  ...(note ? { note } : {}),
})

/** What is read, and the column that names an offender. */
export const SOURCES = {
  phone_numbers: {
    sid: 'n.sid',
    from: `phone_numbers n
      left join carriers c on c.sid = n.carrier_sid
      left join services v on v.sid = n.service_sid`,
  },
  sessions: {
    sid: 's.sid',
    from: 'sessions s left join services v on v.sid = s.service_sid',
  },
  participants: {
    sid: 'p.sid',
    from: `participants p
      left join sessions s on s.service_sid = p.service_sid and s.sid = p.session_sid
      left join services v on v.sid = p.service_sid
      left join phone_numbers n on n.sid = p.proxy_identifier_sid`,
  },
  interactions: {
    sid: 'i.sid',
    from: `interactions i
      left join sessions s on s.service_sid = i.service_sid and s.sid = i.session_sid
      left join participants a on a.service_sid = i.service_sid and a.sid = i.inbound_participant_sid
      left join participants b on b.service_sid = i.service_sid and b.sid = i.outbound_participant_sid
      left join services v on v.sid = i.service_sid`,
  },
  callbacks: {
    sid: 'c.sid',
    from: 'callbacks c left join services v on v.sid = c.service_sid',
  },
} as const

export type Source = keyof typeof SOURCES
