import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'

/**
 * How personal data stands in the database. Every value is sealed with AES-256-GCM under a data key and bound to its row
 * (the row's SID and column are authenticated with it, so a value copied to another row does not open), and people are
 * looked up by a keyed blind index. The data keys lie in the database wrapped by the master key, which never does:
 * changing the master key re-wraps a few short rows, and the blind index never sees two keys for one number.
 *
 * A sealed value: 1 byte version, 1 byte key id, 12 bytes nonce, ciphertext, 16 bytes tag.
 */
export type Keyring = {
  /** `place` names the row and column, e.g. `KP…/identifier`. */
  seal(place: string, value: string | Buffer): Buffer
  open(place: string, sealed: Buffer): string
  openBytes(place: string, sealed: Buffer): Buffer
  /** The same for the same text for ever; tells nothing without the key. */
  blindIndex(text: string): Buffer
  /** A peppered digest of a high-entropy secret (auth token, API key secret), for comparing. */
  digest(secret: string): Buffer
  /** The seal of a link in a chain, over the seal before it: nobody makes one without the keys. */
  chain(previous: Buffer, text: string): Buffer
  /** Whether it holds the data key of that id. */
  has(id: number): boolean
  /** Opens with these, too, from now on, and seals with the one of `sealing_id` when it holds that. */
  adopt(made: DataKey[], sealing_id?: number): void
}

export type DataKey = { id: number; purpose: 'seal' | 'index' | 'digest'; key: Buffer }

const VERSION = 1
const HEAD = 2
const NONCE = 12
const TAG = 16

export class SealError extends Error {}

/** Seals with the key of `sealing_id`, or the last there is. */
export function createKeyring(dataKeys: DataKey[], sealing_id?: number): Keyring {
  const held = new Map(dataKeys.map((key) => [key.id, key]))
  let sealing = held.get(sealing_id ?? -1) ?? pick(dataKeys, 'seal')
  const index = pick(dataKeys, 'index').key
  const pepper = pick(dataKeys, 'digest').key
  const links = Buffer.from(hkdfSync('sha256', pepper, '', 'maskline audit log', 32))
  const openBytes = (place: string, sealed: Buffer) => {
    const key = held.get(sealed[1] ?? -1)
    if (sealed[0] !== VERSION || !key) throw new SealError(`no key for a value sealed at ${place}`)
    return decrypt(key.key, sealed, place)
  }
  return {
    seal: (place, value) => encrypt(sealing.key, sealing.id, place, value),
    openBytes,
    open: (place, sealed) => openBytes(place, sealed).toString('utf8'),
    blindIndex: (text) => createHmac('sha256', index).update(text).digest(),
    digest: (secret) => createHmac('sha256', pepper).update(secret).digest(),
    chain: (previous, text) => createHmac('sha256', links).update(previous).update(text).digest(),
    has: (id) => held.has(id),
    adopt(made, sealing_id) {
      for (const key of made) held.set(key.id, key)
      sealing = held.get(sealing_id ?? -1) ?? sealing
    },
  }
}

/** Wraps a data key under the master key, or under a new one at a rotation. */
export const wrapKey = (masterKey: Buffer, purpose: string, key: Buffer) =>
  encrypt(wrappingKey(masterKey), 0, `data-key/${purpose}`, key)

/** Throws `SealError` when this is not the master key that wrapped it. */
export const unwrapKey = (masterKey: Buffer, purpose: string, wrapped: Buffer) =>
  decrypt(wrappingKey(masterKey), wrapped, `data-key/${purpose}`)

/** Names a master key without telling anything of it. */
export const masterKeyId = (masterKey: Buffer) =>
  Buffer.from(hkdfSync('sha256', masterKey, '', 'maskline master key id', 4)).toString('hex')

const wrappingKey = (masterKey: Buffer) => Buffer.from(hkdfSync('sha256', masterKey, '', 'maskline data keys', 32))

function encrypt(key: Buffer, id: number, place: string, value: string | Buffer) {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place))
  const text = typeof value === 'string' ? cipher.update(value, 'utf8') : cipher.update(value)
  return Buffer.concat([Buffer.of(VERSION, id), nonce, text, cipher.final(), cipher.getAuthTag()])
}

function decrypt(key: Buffer, sealed: Buffer, place: string) {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(HEAD, HEAD + NONCE))
  decipher.setAAD(Buffer.from(place)).setAuthTag(sealed.subarray(-TAG))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEAD + NONCE, -TAG)), decipher.final()])
  } catch (cause) {
    throw new SealError(`the value sealed at ${place} does not open`, { cause })
  }
}

function pick(keys: DataKey[], purpose: DataKey['purpose']) {
  const key = keys.filter((candidate) => candidate.purpose === purpose).at(-1)
  if (!key) throw new SealError(`no data key for ${purpose}`)
  return key
}
