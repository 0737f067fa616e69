import { parse } from 'node:querystring'
import fc from 'fast-check'
import twilio from 'twilio'

/** Callbacks of every shape: unicode, empty and repeated parameters, ports, paths and queries that are written oddly. */
const texts = fc.oneof(
  fc.constantFrom('', ' ', '+', '&=%', 'é', '\u{1f600}', '\ud800', '\r\n', "it's", '+12025550123'),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ maxLength: 12 }),
)
const names = fc.oneof(fc.constantFrom('Body', 'body', 'To', 'interactionSid', '1', ''), texts)
export const params = fc.array(fc.tuple(names, texts), { maxLength: 8 })
const schemes = fc.constantFrom('http', 'https')
const hosts = fc.constantFrom(
  'example.com',
  'Example.COM',
  'xn--bcher-kva.example',
  'bücher.example',
  '127.0.0.1',
  '[::1]',
)
const ports = fc.constantFrom('', ':80', ':443', ':8080', ':8443')
export const paths = fc
  .array(fc.constantFrom('/', '/a', '/..', "/it's", '/%7E~', '/é', '/a b', '//x', '/a;b=c', '/"', '/[x]'), {
    maxLength: 3,
  })
  .map((parts) => parts.join(''))
export const queries = fc.constantFrom(
  '',
  '?',
  '?a=1&a=2',
  "?name=O'Hara",
  '?q=a+b%20c',
  '?q=ü',
  '?next=https://x.example/?y',
  '?a b',
)

/** A whole address. */
export const urls = fc
  .tuple(schemes, hosts, ports, paths, queries)
  .map(([scheme, host, port, path, query]) => `${scheme}://${host}${port}${path}${query}`)

/** What an application's form parser makes of the body. */
export const accepts = (token: string, signature: string, url: string, form: string) =>
  twilio.validateRequest(token, signature, url, { ...parse(form, '&', '=', { maxKeys: 0 }) })
