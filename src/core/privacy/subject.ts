import { parseIdentifier, withoutChannel } from '../e164.ts'
import type { Store } from '../store.ts'

/** A person, as an account knows them: by a number, and by the same number behind a channel. */
export type Subject = {
  account_sid: string
  identifiers: string[]
  /** By which they are found (`core/seal.ts`). */
  hashes: Buffer[]
  /** By which two requests for one person are known to be, and nothing else: no row has it. */
  digest: string
}

/** Throws 80404 for what is no identifier. */
export function subjectOf({ keys }: Pick<Store, 'keys'>, account_sid: string, text: string): Subject {
  // Who was let in by laxer rules than today's can still be asked for.
  const { identifier, channel } = parseIdentifier(text.trim(), 'possible')
  const number = withoutChannel(identifier)
  const identifiers = channel === 'messenger' ? [identifier] : [number, `whatsapp:${number}`]
  return {
    account_sid,
    identifiers,
    hashes: identifiers.map((one) => keys.blindIndex(one)),
    digest: keys.blindIndex(`subject/${account_sid}/${number}`).toString('hex').slice(0, 32),
  }
}

/** What the audit log says of whom something was about. */
export const subjectDetails = ({ digest }: Subject) => ({ subject: digest })
