import { createHmac } from 'node:crypto'

/**
 * The `X-Twilio-Signature` of a request: HMAC-SHA1 over its URL and its form parameters. The vendor's validators sort
 * the names by code unit (upper case first) and take the values of a repeated name once each, sorted. Pass no parameters
 * for a request without a form.
 */
export function twilioSignature(
  authToken: string,
  url: string,
  params: Iterable<[name: string, value: string]>,
): string {
  const sorted = [...params].sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
  let signed = url
  for (const [at, [name, value]] of sorted.entries()) {
    const before = sorted[at - 1]
    if (before?.[0] !== name || before[1] !== value) signed += name + value
  }
  return createHmac('sha1', authToken).update(signed, 'utf8').digest('base64')
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
