import type { KeyType } from '../../api/set-up-bodies.ts'

export type ScopeGroup = { title: string; scopes: readonly (readonly [scope: string, meaning: string])[] }

/** What callers may do, in the groups that somebody thinks of who makes a key. */
export const SCOPE_GROUPS: readonly ScopeGroup[] = [
  {
    title: 'Services and numbers',
    scopes: [
      ['services:read', 'See services and their settings'],
      ['services:write', 'Create, change and delete services'],
      ['numbers:read', 'See the numbers of pools'],
      ['numbers:write', 'Add, reserve and remove numbers'],
    ],
  },
  {
    title: 'Sessions and traffic',
    scopes: [
      ['sessions:read', 'See sessions and participants'],
      ['sessions:write', 'Create, change and delete them'],
      ['interactions:read', 'See messages and calls'],
      ['interactions:write', 'Send messages, delete records'],
      ['recordings:read', 'See recordings; their sound takes pii, too'],
      ['recordings:write', 'Delete recordings'],
    ],
  },
  {
    title: 'Callbacks and events',
    scopes: [
      ['callbacks:read', 'See callbacks and their attempts'],
      ['callbacks:replay', 'Have callbacks made again'],
      ['events:read', 'See the event log'],
    ],
  },
  {
    title: 'People',
    scopes: [
      ['pii', 'See people’s numbers and messages; without it they are masked'],
      ['reveal', 'See one of them at a time, which goes on record'],
    ],
  },
  {
    title: 'The account',
    scopes: [
      ['keys', 'Manage API keys that may do no more'],
      ['privacy', 'Retention; export and erase one person'],
      ['audit:read', 'See the audit log'],
      ['users', 'Manage users of the console'],
      ['accounts', 'Manage accounts'],
    ],
  },
  { title: 'Trying out', scopes: [['simulator', 'Use the simulated phones; takes pii, too']] },
]

export const TYPES: readonly { value: KeyType; label: string; hint: string }[] = [
  { value: 'restricted', label: 'Restricted', hint: 'The scopes you choose, and nothing else.' },
  {
    value: 'standard',
    label: 'Standard',
    hint: 'All but what concerns the account itself: keys, privacy, users and the audit log.',
  },
  { value: 'main', label: 'Main', hint: 'All that the account’s auth token may.' },
]
