import { Secret } from 'otpauth'

/**
 * Canaries: what must be found nowhere but where it belongs. Each is sought as it is written, as bytes of UTF-8 and both
 * orders of UTF-16, in hexadecimal of either case, in base64 however it lies in a longer text, and percent-encoded; a number
 * by its digits, with its country and without; and what is hexadecimal, base64 or base32 itself as the bytes it stands for.
 */
export type Canary = { kind: Kind; text: string }
type Kind = 'number' | 'words' | 'answer' | 'secret' | 'password' | 'link' | 'session' | 'code secret' | 'hash'
export type Sighting = { canary: Canary; where: string; as: string }
export type CanaryScan = (where: string, bytes: Buffer) => Sighting[]

type Form = { canary: Canary; as: string; bytes: Buffer }

export function createCanaryScan(canaries: Canary[]): CanaryScan {
  const forms = canaries.flatMap(formsOf)
  return (where, bytes) =>
    forms.filter((form) => bytes.includes(form.bytes)).map(({ canary, as }) => ({ canary, where, as }))
}

function formsOf(canary: Canary): Form[] {
  const form = (as: string, bytes: Buffer): Form => ({ canary, as, bytes })
  const written = spellings(canary).flatMap((text) => {
    const utf8 = Buffer.from(text)
    const utf16 = Buffer.from(text, 'utf16le')
    const hex = utf8.toString('hex')
    return [
      form('text', utf8),
      form('UTF-16', utf16),
      form('UTF-16', Buffer.from(utf16).swap16()),
      form('hexadecimal', Buffer.from(hex)),
      form('hexadecimal', Buffer.from(hex.toUpperCase())),
      ...[0, 1, 2].map((offset) => form('base64', base64At(utf8, offset))),
      form('percent', Buffer.from(encodeURIComponent(text))),
    ]
  })
  const bytes = bytesOf(canary)
  return bytes ? [...written, form('bytes', bytes)] : written
}

function bytesOf({ kind, text }: Canary): Buffer | undefined {
  if (kind === 'secret' && /^[0-9a-f]{32,}$/.test(text)) return Buffer.from(text, 'hex')
  if (kind === 'link' || kind === 'session') return Buffer.from(text, 'base64url')
  return kind === 'code secret' ? Buffer.from(Secret.fromBase32(text).bytes) : undefined
}

/** National digits are in any longer form that is not grouped. */
function spellings({ kind, text }: Canary): string[] {
  if (kind !== 'number') return [text]
  const [, area, exchange, line] = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(text) ?? []
  return [`${area}${exchange}${line}`, `(${area}) ${exchange}-${line}`, `${area}-${exchange}-${line}`]
}

/** The characters that are the same whatever stands around. */
function base64At(bytes: Buffer, offset: number): Buffer {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replace(/=+$/, '')
  const first = offset === 0 ? 0 : offset + 1
  const whole = Math.floor(((offset + bytes.length) * 8) / 6)
  return Buffer.from(text.slice(first, whole))
}
