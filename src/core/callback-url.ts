import { invalidParameter } from './errors.ts'
import type { Store } from './store.ts'

/**
 * An http URL by RFC 3986. `URL` takes more and encodes it, and then the receiver would check our signature against
 * another address than the one we signed.
 */
const HTTP_URI =
  /^https?:\/\/(?:[\w\-.~:@!$&'()*+,;=]|%[0-9a-f]{2}|\[[0-9a-f:.]+\])+(?:[/?](?:[\w\-.~:@!$&'()*+,;=/?]|%[0-9a-f]{2})*)?(?:#(?:[\w\-.~:@!$&'()*+,;=/?]|%[0-9a-f]{2})*)?$/i

/** Throws 80701 for an address that cannot work, or that is our own. */
export function checkCallbackUrl(store: Pick<Store, 'rules'>, name: string, value: string): void {
  if (value.length > 4000) throw invalidParameter(name, 'It may have at most 4000 characters.')
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw invalidParameter(name, 'Give an absolute http or https URL.')
  }
  if (!HTTP_URI.test(value)) throw invalidParameter(name, 'Percent-encode what a URL cannot hold as it is.')
  if (url.origin === new URL(store.rules.public_url).origin) {
    throw invalidParameter(name, 'It points at this server, which would call itself.')
  }
}
