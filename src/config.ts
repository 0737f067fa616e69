import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { join, resolve } from 'node:path'
import {
  matching,
  oneOf,
  parseAccountSid,
  parseBoolean,
  parseDatabaseUrl,
  parseKey,
  parseNetworks,
  parsePort,
  parsePublicUrl,
  wholeNumber,
} from './config-values.ts'
import { readOrMakeSecret } from './db/secret-file.ts'

export type Command = 'dev' | 'serve' | 'tool'

export type Environment = Record<string, string | undefined>

export type Setting = {
  name: string
  help: string
  /** The text that stands in when the setting is absent or empty. `text` gives another setting's text. */
  fallback?: string | ((command: Command, text: (name: string) => string) => string)
  /** Can also be read from the file that `<name>_FILE` names, and is repeated in no message. */
  secret?: true
  /** Why the command cannot do without it, and what to do. */
  missing?: (command: Command) => string | undefined
  /** Throws an Error whose message says what is wrong and what to do. */
  parse: (text: string) => unknown
}

export const SETTINGS = {
  port: {
    name: 'MASKLINE_PORT',
    help: 'The port to listen on; 0 for any that is free.',
    fallback: '8080',
    parse: parsePort,
  },
  host: {
    name: 'MASKLINE_HOST',
    help: 'The address to listen on; 0.0.0.0 for every network.',
    fallback: '127.0.0.1',
    parse: matching(/^[\w.:-]+$/, 'is not an address or host name: write it alone, such as 127.0.0.1'),
  },
  public_url: {
    name: 'MASKLINE_PUBLIC_URL',
    help: 'Where carriers and applications reach this server; by default host and port.',
    fallback: (_command, text) => localUrl(text('MASKLINE_HOST'), text('MASKLINE_PORT')),
    parse: parsePublicUrl,
  },
  data_dir: {
    name: 'MASKLINE_DATA_DIR',
    help: 'The folder for the embedded PostgreSQL and what dev makes.',
    fallback: './data',
    parse: (text: string) => resolve(text),
  },
  database_url: {
    name: 'DATABASE_URL',
    help: 'A PostgreSQL of your own, 15 or newer; without it one is started in the data folder.',
    secret: true,
    parse: parseDatabaseUrl,
  },
  master_key: {
    name: 'MASKLINE_MASTER_KEY',
    help: 'The key that seals numbers and messages: 32 bytes as 64 hex digits or base64. dev makes one.',
    secret: true,
    missing: (command) =>
      command === 'serve'
        ? 'is missing: make one with `openssl rand -hex 32` and keep it safe, nothing can be read without it'
        : undefined,
    parse: parseKey,
  },
  master_key_next: {
    name: 'MASKLINE_MASTER_KEY_NEXT',
    help: 'A second master key, while keys are changed: a server starts with whichever of the two opens the database.',
    secret: true,
    parse: parseKey,
  },
  dev_account_sid: {
    name: 'MASKLINE_DEV_ACCOUNT_SID',
    help: 'The account that dev makes: AC and 32 hex digits.',
    parse: parseAccountSid,
  },
  dev_auth_token: {
    name: 'MASKLINE_DEV_AUTH_TOKEN',
    help: "The auth token of dev's account.",
    secret: true,
    parse: matching(/^\S{16,}$/, 'is too short or has a space in it: give at least 16 characters'),
  },
  simulator: {
    name: 'MASKLINE_SIMULATOR',
    help: 'Whether the simulated carrier is there: true or false; by default only in dev.',
    fallback: (command) => String(command === 'dev'),
    parse: parseBoolean,
  },
  log_level: {
    name: 'MASKLINE_LOG_LEVEL',
    help: 'How much to log: trace, debug, info, warn, error, fatal or silent.',
    fallback: 'info',
    parse: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  },
  callback_allow: {
    name: 'MASKLINE_CALLBACK_ALLOW',
    help: 'Private networks that callbacks may go to, such as 10.0.0.0/8,fd00::/8; dev allows everything.',
    fallback: (command) => (command === 'dev' ? '0.0.0.0/0,::/0' : ''),
    parse: parseNetworks,
  },
  number_validation: {
    name: 'MASKLINE_NUMBER_VALIDATION',
    help: 'valid: only numbers a numbering plan has; possible: any of a plausible length, for invented numbers.',
    fallback: 'valid',
    parse: oneOf('valid', 'possible'),
  },
  retention_days: {
    name: 'MASKLINE_RETENTION_DAYS',
    help: 'After how many days a closed session is purged; 0 keeps it.',
    fallback: '90',
    parse: wholeNumber(0, 36_500),
  },
  audit_days: {
    name: 'MASKLINE_AUDIT_DAYS',
    help: 'After how many days an entry of the audit log is purged; 0 keeps it.',
    fallback: '400',
    parse: wholeNumber(0, 36_500),
  },
  number_hold_days: {
    name: 'MASKLINE_NUMBER_HOLD_DAYS',
    help: 'For how many days a number that moved to another service is kept from those who used it before; 0 for none.',
    fallback: '45',
    parse: wholeNumber(0, 36_500),
  },
  radius_miles: {
    name: 'MASKLINE_RADIUS_MILES',
    help: 'How near a proxy number is for the geo match level "radius".',
    fallback: '50',
    parse: wholeNumber(1, 12_500),
  },
  match_calling_code: {
    name: 'MASKLINE_MATCH_CALLING_CODE',
    help: "Whether numbers of a country with the same calling code serve where the person's own has none: true or false.",
    fallback: 'true',
    parse: parseBoolean,
  },
  intercept_timeout_ms: {
    name: 'MASKLINE_INTERCEPT_TIMEOUT_MS',
    help: 'How long an intercept callback may take, at most 15000.',
    fallback: '10000',
    parse: wholeNumber(1, 15_000),
  },
  ring_timeout_s: {
    name: 'MASKLINE_RING_TIMEOUT_S',
    help: "How long the partner's phone rings, where a service has no setting of its own: 5 to 600.",
    fallback: '30',
    parse: wholeNumber(5, 600),
  },
  max_call_s: {
    name: 'MASKLINE_MAX_CALL_S',
    help: 'After how long a call is ended, where a service has no setting of its own: 10 to 86400.',
    fallback: '14400',
    parse: wholeNumber(10, 86_400),
  },
  rate_limit: {
    name: 'MASKLINE_RATE_LIMIT',
    help: 'Requests a second to one endpoint of one service, averaged over 5 seconds; 0 for any number.',
    fallback: '30',
    parse: wholeNumber(0, 1_000_000),
  },
  account_rate_limit: {
    name: 'MASKLINE_ACCOUNT_RATE_LIMIT',
    help: 'The same for all requests of an account together.',
    fallback: '0',
    parse: wholeNumber(0, 1_000_000),
  },
  flood_limit: {
    name: 'MASKLINE_FLOOD_LIMIT',
    help: 'Texts a minute from one person to one proxy number, where a service has no setting of its own; 0 for any number.',
    fallback: '30',
    parse: wholeNumber(0, 10_000),
  },
  repeat_limit: {
    name: 'MASKLINE_REPEAT_LIMIT',
    help: 'How often the same text in a row, within ten minutes; 0 for any number.',
    fallback: '10',
    parse: wholeNumber(0, 10_000),
  },
  db_pool: {
    name: 'MASKLINE_DB_POOL',
    help: 'How many database connections to hold at most; 2 or more.',
    fallback: '10',
    parse: wholeNumber(2, 1_000),
  },
  max_requests: {
    name: 'MASKLINE_MAX_REQUESTS',
    help: 'How many requests may be in hand at once; more are answered with 503, and are to come again.',
    fallback: '1000',
    parse: wholeNumber(1, 100_000),
  },
  trusted_proxies: {
    name: 'MASKLINE_TRUSTED_PROXIES',
    help: 'Networks of the proxies in front, such as 10.0.0.0/8: what they add to X-Forwarded-For is believed.',
    fallback: '',
    parse: parseNetworks,
  },
  console: {
    name: 'MASKLINE_CONSOLE',
    help: 'Whether the console is there, at /console: on or off.',
    fallback: 'on',
    parse: parseBoolean,
  },
  console_idle_minutes: {
    name: 'MASKLINE_CONSOLE_IDLE_MINUTES',
    help: 'After how many minutes without a request somebody has to sign in to the console again: 5 to 1440.',
    fallback: '30',
    parse: wholeNumber(5, 1_440),
  },
  console_session_hours: {
    name: 'MASKLINE_CONSOLE_SESSION_HOURS',
    help: 'After how many hours in any case: 1 to 168.',
    fallback: '12',
    parse: wholeNumber(1, 168),
  },
  resource_case: {
    name: 'MASKLINE_RESOURCE_CASE',
    help: "How REST writes an interaction's types: lower (message) or capitalised (Message).",
    fallback: 'lower',
    parse: oneOf('lower', 'capitalised'),
  },
} satisfies Record<string, Setting>

type Settings = typeof SETTINGS

/** A setting without a fallback is undefined when it is not set. */
export type Config = {
  [Key in keyof Settings]:
    | ReturnType<Settings[Key]['parse']>
    | (Settings[Key] extends { fallback: unknown } ? never : undefined)
}

/** What is wrong with the settings, all of it, one line each. */
export class ConfigError extends Error {
  readonly problems: string[]

  constructor(problems: string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** The configuration of this process: the one place where its environment is read. */
export const loadConfig = (command: Command): Config => readConfig(process.env, command)

export function readConfig(env: Environment, command: Command): Config {
  const problems = findUnknown(env)
  const settings: [string, Setting][] = Object.entries(SETTINGS)
  const byName = new Map(settings.map(([, setting]) => [setting.name, setting]))
  const fallbackOf = ({ fallback }: Setting) => (typeof fallback === 'function' ? fallback(command, textOf) : fallback)
  const textOf = (name: string): string => env[name]?.trim() || (fallbackOf(byName.get(name)!) ?? '')
  const config: Record<string, unknown> = {}
  for (const [key, setting] of settings) {
    try {
      const given = readText(setting, env)
      if (given === undefined && setting.missing?.(command)) throw new Error(setting.missing(command))
      const text = given ?? fallbackOf(setting)
      if (text !== undefined) config[key] = setting.parse(text)
    } catch (error) {
      // A fallback made of other settings is as wrong as they are, and they have been reported.
      const derived = !env[setting.name] && typeof setting.fallback === 'function'
      if (!derived) problems.push(`${setting.name}: ${error instanceof Error ? error.message : error}`)
    }
  }
  if (problems.length > 0) throw new ConfigError(problems)
  return config as Config
}

/** The key that dev made in this data folder, for the tools that work beside it. */
export const findDevMasterKey = (dataDir: string): Buffer | undefined =>
  existsSync(join(dataDir, 'master.key')) ? devMasterKey(dataDir) : undefined

/** The key that dev works with, made at its first start in this data folder. */
export function devMasterKey(dataDir: string): Buffer {
  mkdirSync(dataDir, { recursive: true })
  const path = join(dataDir, 'master.key')
  const text = readOrMakeSecret(path, () => randomBytes(32).toString('hex'))
  try {
    return parseKey(text)
  } catch (error) {
    throw new ConfigError([`${path}: ${error instanceof Error ? error.message : error}`])
  }
}

function readText(setting: Setting, env: Environment): string | undefined {
  const text = env[setting.name]?.trim() || undefined
  const file = setting.secret ? env[`${setting.name}_FILE`]?.trim() : undefined
  if (!file) return text
  if (text) throw new Error(`is set, and so is ${setting.name}_FILE: keep one of them`)
  const content = readSecretFile(setting.name, file)
  if (content === '') throw new Error(`is to be read from ${file}, which is empty: write it there`)
  return content
}

function readSecretFile(name: string, file: string) {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    const reason = error instanceof Error ? error.message : error
    throw new Error(`cannot be read (${reason}): correct ${name}_FILE or the rights of the file`)
  }
}

/** Kubernetes sets these in every pod beside a Service named maskline. */
const SERVICE_LINK = /^MASKLINE_(SERVICE_(HOST|PORT)(_|$)|PORT_\d+_(TCP|UDP)(_|$))/

function findUnknown(env: Environment): string[] {
  const settings: Setting[] = Object.values(SETTINGS)
  const known = settings.flatMap(({ name, secret }) => (secret ? [name, `${name}_FILE`] : [name]))
  const ours = Object.keys(env).filter((name) => name.startsWith('MASKLINE_') && !SERVICE_LINK.test(name))
  return ours
    .filter((name) => !known.includes(name))
    .map((name) => {
      const nearest = known.reduce((best, other) => (distance(name, other) < distance(name, best) ? other : best))
      return `${name}: there is no such setting: did you mean ${nearest}?`
    })
}

/** How many letters must change, appear or go to make `b` of `a`. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1]
    for (let column = 1; column <= b.length; column++) {
      const change = row[column - 1]! + (letter === b[column - 1] ? 0 : 1)
      next.push(Math.min(change, row[column]! + 1, next[column - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

function localUrl(host: string, port: string) {
  const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${isIPv6(reachable) ? `[${reachable}]` : reachable}:${port}`
}
