import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { getExpectedTwilioSignature, validateRequest } from 'twilio/lib/webhooks/webhooks.js'
import { twilioCarrier } from '../src/carriers/twilio/adapter.ts'
import { BadWebhook, MESSAGE_STATUSES, type WebhookRequest } from '../src/core/carrier.ts'
import { twilioSignature } from '../src/core/signature.ts'

const SID = 'SM0123456789abcdef0123456789abcdef'
const URL_ = 'https://masking.example/carriers/twilio/messages'
const FORM = 'application/x-www-form-urlencoded; charset=UTF-8'

const carrierWith = (auth_token: string, secondary_auth_token?: string) =>
  twilioCarrier({ account_sid: `AC${'0'.repeat(32)}`, auth_token, secondary_auth_token })

type Sent = { url?: string; body?: string; signature?: string; type?: string }

const webhook = ({ url = URL_, body = '', signature, type = FORM }: Sent): WebhookRequest => ({
  method: 'POST',
  url,
  headers: { 'content-type': type, 'x-twilio-signature': signature },
  body: Buffer.from(body),
})

const formWebhook = (params: Record<string, string>) => webhook({ body: new URLSearchParams(params).toString() })

// https://www.twilio.com/docs/usage/webhooks/webhooks-security, as the vendor's packages test it.
const published = {
  token: '12345',
  url: 'https://mycompany.com/myapp.php?foo=1&bar=2',
  body: 'CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212',
  signature: 'RSOYDt4T1cUTdK1PDd93/VVr8B8=',
}

test("the vendor's published example is genuine, and not with anything changed", () => {
  const carrier = carrierWith(published.token)
  const { url, body, signature } = published
  assert.equal(carrier.verify(webhook({ url, body, signature })), true)
  assert.equal(twilioSignature(published.token, url, new URLSearchParams(body)), signature)

  assert.equal(carrier.verify(webhook({ url, body: body.replace('1234&', '1235&'), signature })), false)
  assert.equal(carrier.verify(webhook({ url: url.replace('bar=2', 'bar=3'), body, signature })), false)
  assert.equal(carrier.verify(webhook({ url, body, signature: signature.replace('R', 'r') })), false)
  assert.equal(carrier.verify(webhook({ url, body, signature: '' })), false)
  assert.equal(carrier.verify({ ...webhook({ url, body }), headers: { 'content-type': FORM } }), false)
  assert.equal(carrierWith('12346').verify(webhook({ url, body, signature })), false)
})

test('a JSON body is genuine by the hash of it in the URL, and an unhashed one is not', () => {
  const body = '{"property": "value", "boolean": true}'
  const hash = createHash('sha256').update(body).digest('hex')
  assert.equal(hash, '0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620')
  const url = `${published.url}&bodySHA256=${hash}`
  const json = { url, body, signature: 'a9nBmqA0ju/hNViExpshrM61xv4=', type: 'application/json' }
  const carrier = carrierWith(published.token)
  assert.equal(carrier.verify(webhook(json)), true)
  assert.equal(carrier.verify(webhook({ ...json, body: body.replace('true', 'false') })), false)

  const unhashed = { url: URL_, body, signature: twilioSignature(published.token, URL_, []), type: 'application/json' }
  assert.equal(carrier.verify(webhook(unhashed)), false)
  assert.equal(carrier.verify(webhook({ ...unhashed, body: '' })), true)
})

test('while tokens are being changed a webhook signed with either is genuine', () => {
  for (const token of ['old', 'new']) {
    const request = webhook({ body: 'a=1', signature: twilioSignature(token, URL_, [['a', '1']]) })
    assert.equal(carrierWith('old', 'new').verify(request), true)
    assert.equal(carrierWith('old').verify(request), token === 'old')
  }
  assert.throws(() => carrierWith(''), /empty auth token/)
})

const text = fc.string({ unit: 'binary', maxLength: 12 })
const segment = fc.stringMatching(/^([a-zA-Z0-9._~'()!*-]|%2[0-9]|%C3%A9){0,10}$/)
const requests = fc.record({
  token: fc.stringMatching(/^[0-9a-f]{32}$/),
  scheme: fc.constantFrom('https', 'http'),
  host: fc.constantFrom('masking.example', 'user:pass@masking.example', '192.0.2.7', '[2001:db8::7]'),
  port: fc.constantFrom('', ':80', ':443', ':8443'),
  path: fc.array(segment, { maxLength: 3 }),
  query: fc.array(fc.tuple(segment, segment), { maxLength: 3 }),
  params: fc.array(fc.tuple(fc.oneof(fc.constantFrom('From', 'from', 'To', 'Body'), text), text), { maxLength: 12 }),
  change: fc.constantFrom('value', 'added', 'removed', 'path', 'host', 'scheme', 'token', 'signature'),
})

test('10,000 random requests are judged as the official package judges them, unchanged and changed', () => {
  const property = fc.property(requests, ({ token, scheme, host, port, path, query, params, change }) => {
    const rest = `/${path.join('/')}${query.map(([k, v], i) => `${i === 0 ? '?' : '&'}${k}=${v}`).join('')}`
    const url = `${scheme}://${host}${port}${rest}`
    const body = new URLSearchParams(params).toString()
    const oracle = (changed: string) => {
      const values: Record<string, string[]> = Object.create(null)
      for (const [name, value] of new URLSearchParams(`&${changed}`)) values[name] = [...(values[name] ?? []), value]
      return values
    }
    const judge = (t: string, u: string, b: string, signature: string) => {
      const ours = carrierWith(t).verify(webhook({ url: u, body: b, signature }))
      assert.equal(ours, validateRequest(t, signature, u, oracle(b)), `${u} ${b}`)
      return ours
    }

    const signature = getExpectedTwilioSignature(token, url, oracle(body))
    assert.equal(twilioSignature(token, url, params), signature)
    assert.equal(judge(token, url, body, signature), true)
    const signedWithoutPort = getExpectedTwilioSignature(token, `${scheme}://${host}${rest}`, oracle(body))
    assert.equal(judge(token, url, body, signedWithoutPort), true)
    const withDefault = `${scheme}://${host}${port || (scheme === 'https' ? ':443' : ':80')}${rest}`
    assert.equal(judge(token, url, body, getExpectedTwilioSignature(token, withDefault, oracle(body))), true)

    const changed = {
      value: () => judge(token, url, `${body}&Body=x${body.length}`, signature),
      added: () => judge(token, url, `${body}&added${body.length}=`, signature),
      removed: () => judge(token, url, params.some(([name, value]) => name + value !== '') ? '' : 'Body=', signature),
      path: () => judge(token, `${scheme}://${host}${port}/x${rest}`, body, signature),
      host: () => judge(token, url.replace(host, 'other.example'), body, signature),
      scheme: () => judge(token, url.replace(scheme, scheme === 'http' ? 'https' : 'http'), body, signature),
      token: () => judge(`${token}0`, url, body, signature),
      signature: () =>
        judge(
          token,
          url,
          body,
          signature.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')),
        ),
    }
    assert.equal(changed[change](), false, change)
  })
  fc.assert(property, { numRuns: 10_000 })
})

test('an inbound message is read with its attachments and whereabouts, whoever sent it', () => {
  const carrier = carrierWith('token')
  const params = {
    ...{ MessageSid: SID, SmsSid: SID, SmsStatus: 'received', To: '+12025550100', Body: 'Grüße 👋', NumSegments: '2' },
    ...{ FromCity: 'WASHINGTON', FromState: 'DC', FromZip: '', FromCountry: 'US', ToCountry: 'US', Extra: 'x' },
    ...{ NumMedia: '2', MediaUrl0: 'https://api.twilio.com/m/0', MediaContentType0: 'image/jpeg' },
    MediaUrl1: 'https://api.twilio.com/m/1',
  }
  for (const From of ['+12025550123', '12345', 'ACME', 'whatsapp:+12025550123', '', 'Anonymous']) {
    assert.deepEqual(carrier.parseMessage(formWebhook({ ...params, From })), {
      event_id: SID,
      resource_sid: SID,
      from: From,
      to: '+12025550100',
      body: 'Grüße 👋',
      media: [
        { url: 'https://api.twilio.com/m/0', content_type: 'image/jpeg' },
        { url: 'https://api.twilio.com/m/1', content_type: undefined },
      ],
      num_segments: 2,
      geography: { FromCity: 'WASHINGTON', FromState: 'DC', FromZip: '', FromCountry: 'US', ToCountry: 'US' },
    })
  }
})

test('an id that is not a vendor SID identifies the event but does not become its SID', () => {
  const params = { SmsSid: '8a7b0d6e-1111', From: '+12025550123', To: '+12025550100', Body: '' }
  const message = carrierWith('token').parseMessage(formWebhook(params))
  assert.deepEqual([message.event_id, message.resource_sid, message.num_segments], ['8a7b0d6e-1111', undefined, 1])
})

test('what is not a message, or lacks a part of one, is a bad webhook', () => {
  const carrier = carrierWith('token')
  const params: Record<string, string> = { MessageSid: SID, From: '+12025550123', To: '+12025550100', Body: 'x' }
  assert.equal(carrier.parseMessage(formWebhook(params)).body, 'x')
  for (const name of ['MessageSid', 'From', 'To']) {
    const { [name]: _, ...rest } = params
    assert.throws(() => carrier.parseMessage(formWebhook(rest)), BadWebhook, name)
  }
  const wrong: Record<string, string>[] = [
    { NumMedia: '1' },
    { NumMedia: '-1' },
    { NumMedia: '9e9' },
    { NumSegments: 'two' },
    { MessageSid: '' },
  ]
  for (const extra of [...wrong, { MessageStatus: 'delivered' }, { SmsStatus: 'sent' }]) {
    assert.throws(() => carrier.parseMessage(formWebhook({ ...params, ...extra })), BadWebhook, JSON.stringify(extra))
  }
  assert.throws(() => carrier.parseMessage({ ...formWebhook(params), headers: {} }), BadWebhook)
})

test('every status of the vendor is one of ours, and an unknown one is a bad webhook', () => {
  const carrier = carrierWith('token')
  const ours = (MessageStatus: string, ErrorCode = '') =>
    carrier.parseStatus(formWebhook({ MessageSid: SID, MessageStatus, ErrorCode }))
  const same = MESSAGE_STATUSES.filter((status) => status !== 'delivery-unknown')
  for (const status of same) assert.equal(ours(status).status, status)
  assert.equal(ours('read').status, 'delivered')
  assert.equal(ours('partially_delivered').status, 'delivery-unknown')
  assert.deepEqual(ours('undelivered', '30003'), { carrier_message_id: SID, status: 'undelivered', error_code: 30003 })
  assert.equal(ours('delivered').error_code, undefined)

  assert.throws(() => ours('exploded'), { message: 'unknown message status exploded' })
  for (const status of ['received', 'toString', '+12025550123', ''])
    assert.throws(() => ours(status), BadWebhook, status)
  assert.throws(() => carrier.parseStatus(formWebhook({ MessageStatus: 'sent' })), BadWebhook)
})

test('no bytes at all make reading fail otherwise than as a bad webhook', () => {
  const carrier = carrierWith('token')
  const names = ['MessageSid', 'SmsSid', 'From', 'To', 'NumMedia', 'MediaUrl0', 'NumSegments', 'MessageStatus', 'Body']
  const almost = fc
    .array(fc.tuple(fc.constantFrom(...names), text))
    .map((pairs) => new URLSearchParams(pairs).toString())
  const bodies = fc.oneof(almost.map(Buffer.from), fc.uint8Array({ maxLength: 200 }).map(Buffer.from))
  let read = 0
  const property = fc.property(bodies, (body) => {
    const request = { ...webhook({ signature: 'x' }), body }
    assert.equal(carrier.verify(request), false)
    for (const parse of [carrier.parseMessage, carrier.parseStatus]) {
      try {
        parse(request)
        read++
      } catch (error) {
        assert(error instanceof BadWebhook, String(error))
      }
    }
  })
  fc.assert(property, { numRuns: 5_000 })
  assert(read > 0, 'some of the bodies are messages')
})
