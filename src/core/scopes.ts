import type { KeyType } from '../db/schema.ts'
import type { Role } from '../db/user-schema.ts'
import { ProxyError } from './errors.ts'

/**
 * What a caller may do. Every operation of the API names the scope it takes; who writes cannot read by that. `pii` is no
 * operation: without it the numbers of people and what they wrote are hidden in every answer.
 */
export const SCOPES = {
  'services:read': 'services and their settings',
  'services:write': 'create, change and delete services',
  'numbers:read': 'the numbers of pools',
  'numbers:write': 'add, reserve and remove numbers',
  'sessions:read': 'sessions and their participants',
  'sessions:write': 'create, change and delete sessions and participants',
  'interactions:read': 'messages and calls',
  'interactions:write': 'send messages to participants, delete records',
  'recordings:read': 'recordings; their sound takes pii, too',
  'recordings:write': 'delete recordings',
  'callbacks:read': 'callbacks and their attempts',
  'callbacks:replay': 'have callbacks made again',
  'events:read': 'the event log',
  simulator: 'simulated phones; takes pii, too',
  pii: "see people's numbers and messages",
  reveal: 'see one of them at a time, which is put on record; comes with pii',
  keys: 'manage API keys',
  privacy: 'retention, and what is kept of one person: export and erase it',
  'audit:read': 'the audit log',
  users: 'manage users of the console',
  accounts: 'manage accounts; of those of one account only its own name',
} as const

export type Scope = keyof typeof SCOPES
export type Scopes = ReadonlySet<Scope>

export const KEY_TYPES: readonly KeyType[] = ['main', 'standard', 'restricted']

export const SCOPE_NAMES = Object.keys(SCOPES) as Scope[]
export const isScope = (text: string): text is Scope => Object.hasOwn(SCOPES, text)

/** As much as the account's auth token may do. */
export const ALL_SCOPES: Scopes = new Set(SCOPE_NAMES)

const OF_THE_ACCOUNT: Scope[] = ['keys', 'privacy', 'audit:read', 'users', 'accounts']
const STANDARD: Scopes = new Set(SCOPE_NAMES.filter((scope) => !OF_THE_ACCOUNT.includes(scope)))

/** What a key may do. A name that this version does not know opens nothing. */
export function scopesOf({ type, scopes }: { type: KeyType; scopes: string[] }): Scopes {
  if (type === 'main') return ALL_SCOPES
  if (type === 'standard') return STANDARD
  const named = new Set(scopes.filter(isScope))
  if (named.has('pii')) named.add('reveal')
  return named
}

/** 20006, and which scopes would have been needed. */
export class ScopeRefusal extends ProxyError {
  readonly missing: Scope[]

  constructor(missing: Scope[]) {
    super(20006)
    this.missing = missing
  }
}

export const ROLES: readonly Role[] = ['viewer', 'operator', 'admin']

const VIEWER = SCOPE_NAMES.filter((scope) => scope.endsWith(':read') && scope !== 'audit:read')
const OPERATOR: Scope[] = [
  ...VIEWER,
  ...(['numbers:write', 'sessions:write', 'interactions:write', 'callbacks:replay', 'simulator', 'reveal'] as const),
]

const ROLE_SCOPES: Record<Role, Scopes> = {
  viewer: new Set(VIEWER),
  operator: new Set(OPERATOR),
  admin: new Set(SCOPE_NAMES.filter((scope) => scope !== 'pii' && scope !== 'accounts')),
}
const ADMIN_OF_ALL: Scopes = new Set([...ROLE_SCOPES.admin, 'accounts'])

/** What a user may do: nobody sees people but by a reveal, which is on record. */
export const scopesOfRole = ({ role, account_sid }: { role: Role; account_sid: string | null }): Scopes =>
  role === 'admin' && account_sid === null ? ADMIN_OF_ALL : ROLE_SCOPES[role]

/** Whether the one may do all that the other may. */
export const covers = (one: Scopes, other: Scopes) => [...other].every((scope) => one.has(scope))
