import type { Keyring } from '../seal.ts'
import { totpPlace } from '../totp.ts'
import { type Check, EXAMPLES, type Found, type Look } from './check.ts'

/** That sealed values open in their own row, and that the blind index is that of what they hold. */

const RESTORE =
  'Restore these rows from a backup: a value that was sealed with another key, or for another row, opens no more.'

export const SEALED_CHECKS: Check[] = [
  {
    id: 'sealed-accounts',
    level: 'fault',
    means: "Accounts' tokens open, and are those that clients are checked against.",
    advice: RESTORE,
    find: { read: readAccounts, opens: 'few' },
  },
  {
    id: 'sealed-users',
    level: 'fault',
    means: 'The secrets of codes that users sign in by open.',
    advice: 'Let these users in by `maskline users update … --reset-totp`: no code of theirs is right.',
    find: { read: readUsers, opens: 'few' },
  },
  {
    id: 'sealed-carriers',
    level: 'fault',
    means: "Carriers' credentials open.",
    advice: 'Give them their credentials again with `maskline carriers update`.',
    find: { read: readCarriers, opens: 'few' },
  },
  {
    id: 'sealed-participants',
    level: 'fault',
    means: "Participants' numbers open.",
    advice: RESTORE,
    find: { read: readParticipants, opens: 'many' },
  },
  {
    id: 'blind-index',
    level: 'fault',
    means: "A participant's blind index is that of the number (I1).",
    advice: 'Close the sessions of these participants: somebody else may be taken for them.',
    find: { read: readParticipants, opens: 'many' },
  },
  {
    id: 'sealed-interactions',
    level: 'fault',
    means: "Interactions' texts, senders and recipients open, and the sender's blind index is theirs.",
    advice: RESTORE,
    find: { read: readInteractions, opens: 'many' },
  },
  {
    id: 'sealed-blocked-numbers',
    level: 'fault',
    means: 'Blocked numbers open, and their blind index is that of the number.',
    advice: 'Block these numbers again: they are let through, or somebody else is blocked in their place.',
    find: { read: readBlockedNumbers, opens: 'few' },
  },
  {
    id: 'sealed-addresses',
    level: 'fault',
    means: 'The addresses of attachments and recordings at their carrier open.',
    advice: RESTORE,
    find: { read: readAddresses, opens: 'many' },
  },
]

/** Counts offenders and keeps the first few. */
function tally() {
  const result: Found = { count: 0, examples: [] }
  return {
    result,
    add(sid: string) {
      result.count++
      if (result.examples.length < EXAMPLES) result.examples.push(sid)
    },
  }
}

/** Undefined when it does not open, whatever is wrong with it. */
function tryOpen(keys: Keyring, place: string, sealed: Buffer): string | undefined {
  try {
    return keys.open(place, sealed)
  } catch {
    return undefined
  }
}

function keysOf({ keys }: Look): Keyring {
  if (!keys) throw new Error('The data keys are needed for this.')
  return keys
}

async function readAccounts(look: Look) {
  const keys = keysOf(look)
  const { result, add } = tally()
  type Row = { sid: string; place: string; token: Buffer; digest: Buffer }
  const text = `select sid, sid || '/auth_token' as place, auth_token_sealed as token, auth_token_digest as digest from accounts
    union all select sid, sid || '/secondary_auth_token', secondary_auth_token_sealed, secondary_auth_token_digest
    from accounts where secondary_auth_token_sealed is not null`
  await look.stream<Row>(text, (row) => {
    const token = tryOpen(keys, row.place, row.token)
    if (token === undefined || !keys.digest(token).equals(row.digest)) add(row.sid)
  })
  return { 'sealed-accounts': result }
}

async function readUsers(look: Look) {
  const keys = keysOf(look)
  const { result, add } = tally()
  const text = 'select sid, totp_sealed as sealed from users where totp_sealed is not null'
  await look.stream<{ sid: string; sealed: Buffer }>(text, (row) => {
    if (tryOpen(keys, totpPlace(row.sid), row.sealed) === undefined) add(row.sid)
  })
  return { 'sealed-users': result }
}

async function readCarriers(look: Look) {
  const keys = keysOf(look)
  const { result, add } = tally()
  await look.stream<{ sid: string; sealed: Buffer }>(
    'select sid, credentials_sealed as sealed from carriers',
    (row) => {
      if (tryOpen(keys, `${row.sid}/credentials`, row.sealed) === undefined) add(row.sid)
    },
  )
  return { 'sealed-carriers': result }
}

async function readParticipants(look: Look) {
  const keys = keysOf(look)
  const sealed = tally()
  const index = tally()
  type Row = { sid: string; sealed: Buffer; hash: Buffer }
  const columns = 'sid, identifier_sealed as sealed, identifier_hash as hash'
  const take = (row: Row) => {
    const identifier = tryOpen(keys, `${row.sid}/identifier`, row.sealed)
    if (identifier === undefined) sealed.add(row.sid)
    else if (!keys.blindIndex(identifier).equals(row.hash)) index.add(row.sid)
  }
  // Routing depends on every live one.
  await look.stream<Row>(`select ${columns} from participants where date_released is null`, take)
  const { from, note } = await sampleOf(look, 'participants')
  await look.stream<Row>(`select ${columns} from ${from} where date_released is not null`, take)
  Object.assign(sealed.result, note)
  return { 'sealed-participants': sealed.result, 'blind-index': index.result }
}

async function readBlockedNumbers(look: Look) {
  const keys = keysOf(look)
  const { result, add } = tally()
  type Row = { sid: string; sealed: Buffer; hash: Buffer }
  const text = 'select sid, identifier_sealed as sealed, identifier_hash as hash from blocked_numbers'
  await look.stream<Row>(text, (row) => {
    const identifier = tryOpen(keys, `${row.sid}/identifier`, row.sealed)
    if (identifier === undefined || !keys.blindIndex(identifier).equals(row.hash)) add(row.sid)
  })
  return { 'sealed-blocked-numbers': result }
}

type SealedInteraction = {
  sid: string
  data: Buffer | null
  sent: Buffer | null
  sender: Buffer | null
  hash: Buffer | null
  recipient: Buffer | null
}

async function readInteractions(look: Look) {
  const keys = keysOf(look)
  const { result, add } = tally()
  const { from, note } = await sampleOf(look, 'interactions')
  const columns =
    'sid, data_sealed as data, sent_data_sealed as sent, sender_sealed as sender, sender_hash as hash, recipient_sealed as recipient'
  await look.stream<SealedInteraction>(`select ${columns} from ${from}`, (row) => {
    if (!opens(keys, row)) add(row.sid)
  })
  return { 'sealed-interactions': { ...result, ...note } }
}

/** Of a large table as many rows as the limit says, in blocks that chance picks, so that every run reads others. */
async function sampleOf({ query, most_opened }: Look, table: 'participants' | 'interactions') {
  const [size] = await query<{ rows: number }>(
    'select greatest(reltuples, 0)::float8 as rows from pg_class where oid = to_regclass($1)',
    [table],
  )
  const share = (100 * most_opened) / Math.max(1, size?.rows ?? 0)
  if (share >= 100) return { from: table }
  const note = `About ${share.toFixed(1)} % of ${size?.rows} ${table} were opened; --deep opens every one.`
  return { from: `${table} tablesample system (${share})`, note: { note } }
}

function opens(keys: Keyring, { sid, data, sent, sender, hash, recipient }: SealedInteraction): boolean {
  if (data && tryOpen(keys, `${sid}/data`, data) === undefined) return false
  if (sent && tryOpen(keys, `${sid}/sent_data`, sent) === undefined) return false
  if (recipient && tryOpen(keys, `${sid}/recipient`, recipient) === undefined) return false
  if (!sender) return true
  const from = tryOpen(keys, `${sid}/sender`, sender)
  return from !== undefined && hash !== null && keys.blindIndex(from).equals(hash)
}

async function readAddresses(look: Look) {
  const keys = keysOf(look)
  const { result, add } = tally()
  // A recording without an address stands for one that is gone.
  const text = `select interaction_sid as sid, interaction_sid || '/media/' || position as place, source_url_sealed as sealed
    from media
    union all select sid, sid || '/source_url', source_url_sealed from recordings where length(source_url_sealed) > 0`
  await look.stream<{ sid: string; place: string; sealed: Buffer }>(text, (row) => {
    if (tryOpen(keys, row.place, row.sealed) === undefined) add(row.sid)
  })
  return { 'sealed-addresses': result }
}
