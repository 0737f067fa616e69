import fc from 'fast-check'
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js'
import { request } from 'undici'
import type { MessageWorld } from './message-world.ts'

/** A body and the door it is brought to. `signed` is whether the carrier or the account says that it is theirs. */
export type Fuzzed = { method: 'POST' | 'GET' | 'DELETE'; path: string; type: string; body: string; signed: boolean }
export type Doors = Pick<MessageWorld, 'twilio' | 'door' | 'routes' | 'api' | 'server'> & { account: string }

const NAMES = (
  'MessageSid SmsSid CallSid From To Body NumMedia MediaUrl0 MediaContentType0 NumSegments MessageStatus SmsStatus ErrorCode ' +
  'CallStatus DialCallStatus DialCallSid CallDuration RecordingSid RecordingUrl RecordingStatus RecordingDuration FromCity ' +
  'UniqueName DefaultTtl CallbackUrl GeoMatchLevel NumberSelectionBehavior Ttl DateExpiry Mode Status Participants Identifier ' +
  'ProxyIdentifier FriendlyName PhoneNumber Sid IsReserved PageSize Page PageToken __proto__'
).split(' ')
const KNOWN_BY = ['MessageSid', 'CallSid', 'To']
const WORDS = [
  '0',
  '-1',
  '99',
  '1e9',
  'sent',
  'delivered',
  'completed',
  'true',
  '2147483648',
  '1900-02-30',
  '+12025550123',
]
const MARKS = ['', '\0', 'a\0b', 'SM\0', '{}', '[', '%00', '<x>', "'", '../..', '\u202e', '{"Identifier":"\\ud800"}']
const HARD = [...WORDS, ...MARKS, '9'.repeat(30), 'x'.repeat(2_500), '\u{1f642}'.repeat(2_000)]
const value = fc.oneof(
  fc.constantFrom(...HARD),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ maxLength: 3_000 }),
)
/** No text in the database has a NUL, so what an event is known by must have none. */
const unstorable = fc.tuple(fc.constantFrom(...KNOWN_BY), fc.constantFrom('\0', 'a\0b', '+1\0'))
const pair = fc.oneof(
  { weight: 14, arbitrary: fc.tuple(fc.constantFrom(...NAMES), value) },
  { weight: 1, arbitrary: unstorable },
)
const pairs = fc.array(pair, { maxLength: 8 })
const form = (real: Record<string, string>) =>
  pairs.map((changed) => new URLSearchParams({ ...real, ...Object.fromEntries(changed) }).toString())
const bytes = fc.uint8Array({ maxLength: 400 }).map((body) => Buffer.from(body).toString('latin1'))

const FORM = 'application/x-www-form-urlencoded'
const SID = (prefix: string) =>
  fc.constantFrom(`${prefix}${'0'.repeat(32)}`, `${prefix}${'f'.repeat(32)}`, prefix, '%00', '')

/** Requests to every door. */
export function fuzzedAt({ door, routes, account }: Doors): fc.Arbitrary<Fuzzed> {
  const [route] = routes
  const carrier = new URL(door).pathname
  const message = { MessageSid: `SM${'d'.repeat(32)}`, From: route?.from ?? '', To: route?.to ?? '', Body: 'x' }
  const leg = fc.tuple(SID('KS'), SID('KI')).map(([service, interaction]) => `${service}/${interaction}`)
  const legDoors = fc.constantFrom(
    'leg',
    'dialled',
    'whisper',
    'recorded',
    'recording',
    'via?to=https%3A%2F%2F192.0.2.1%2F',
  )
  const paths = fc.oneof(
    { weight: 6, arbitrary: fc.constant(`${carrier}/messages`) },
    { weight: 3, arbitrary: fc.constantFrom(`${carrier}/calls`, `/v1/Accounts/${account}/Proxy/x/Webhooks/Call`) },
    { weight: 2, arbitrary: leg.map((one) => `${carrier}/status/${one}`) },
    { weight: 2, arbitrary: fc.tuple(leg, legDoors).map(([one, what]) => `${carrier}/calls/${one}/${what}`) },
    { weight: 4, arbitrary: fc.constantFrom('/v1/Services', '/v1/Services/proof', '/v1/Services/proof/Sessions') },
    { weight: 2, arbitrary: SID('KC').map((sid) => `/v1/Services/proof/Sessions/${sid}/Participants`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('/simulator/messages', '/simulator/calls', '/maskline/v1/Events', '/health/ready'),
    },
    { weight: 1, arbitrary: SID('KS').map((sid) => `/media/${sid}/${'0'.repeat(32)}`) },
  )
  return fc.record({
    method: fc.oneof(
      { weight: 9, arbitrary: fc.constant('POST' as const) },
      fc.constantFrom('GET' as const, 'DELETE' as const),
    ),
    path: paths,
    type: fc.oneof({ weight: 8, arbitrary: fc.constant(FORM) }, fc.constantFrom('application/json', 'text/plain', '')),
    body: fc.oneof(
      { weight: 3, arbitrary: form(message) },
      form({}),
      form({ CallSid: `CA${'e'.repeat(32)}`, ...message }),
      bytes,
    ),
    signed: fc.nat(9).map((digit) => digit > 0),
  })
}

/** Texts that are the carrier's own, and yet cannot be stored or carried out. */
export const poisonous = ({ routes }: Pick<MessageWorld, 'routes'>): fc.Arbitrary<Record<string, string>> =>
  pairs.map((changed) => ({
    MessageSid: `SM${'c'.repeat(32)}`,
    From: routes[0]?.from ?? '',
    To: routes[0]?.to ?? '',
    Body: 'x',
    ...Object.fromEntries(changed.filter(([name]) => name !== '__proto__')),
  }))

/** The status of the answer; 0 when there is none. */
export async function sendFuzzed({ twilio, door, api, server }: Doors, fuzzed: Fuzzed): Promise<number> {
  const { method, path, type, signed } = fuzzed
  const body = method === 'POST' ? Buffer.from(fuzzed.body, 'latin1') : null
  const headers: Record<string, string> = { 'content-type': type }
  const isWebhook = /^\/(webhooks|v1\/Accounts)\//.test(path)
  if (signed && isWebhook) headers['x-twilio-signature'] = sign(twilio.auth_token, new URL(door).origin + path, body)
  if (signed && !isWebhook) headers.authorization = api.authorization
  try {
    const answer = await request(`http://127.0.0.1:${server.port}${path}`, { method, headers, body })
    await answer.body.dump()
    return answer.statusCode
  } catch {
    return 0
  }
}

/** As the carrier would sign a form of these bytes. */
function sign(token: string, url: string, body: Buffer | null): string {
  const values: Record<string, string[]> = Object.create(null)
  for (const [name, value] of new URLSearchParams(`&${body ?? ''}`)) values[name] = [...(values[name] ?? []), value]
  return getExpectedTwilioSignature(token, url, values)
}
