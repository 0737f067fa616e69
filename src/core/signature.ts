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
  const values = new Map<string, Set<string>>()
  for (const [name, value] of params) {
    const known = values.get(name)
    if (known) known.add(value)
    else values.set(name, new Set([value]))
  }

  let signed = url
  for (const name of [...values.keys()].sort()) {
    for (const value of [...values.get(name)!].sort()) signed += name + value
  }
  return createHmac('sha1', authToken).update(signed, 'utf8').digest('base64')
}
