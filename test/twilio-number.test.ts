import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { twilioCarrier } from '../src/carriers/twilio/adapter.ts'
import { CarrierError } from '../src/core/carrier.ts'
import { openGuard } from './support/callback-request.ts'
import { startTwilioApi } from './support/twilio-api.ts'

async function start(t: TestContext, timeout_ms = 5000) {
  const api = await startTwilioApi(t)
  const { account_sid, auth_token, url: base_url } = api
  const guarded = (allow: 'all' | string[]) =>
    twilioCarrier({ account_sid, auth_token, base_url, timeout_ms, elsewhere: openGuard(t, allow).agent })
  return { api, guarded, carrier: guarded('all') }
}

const ours = {
  message_url: 'https://masking.example/carriers/twilio/messages',
  call_url: 'https://masking.example/carriers/twilio/calls',
}

const refusal = (outcome: CarrierError['outcome'], message: RegExp) => (error: unknown) => {
  assert(error instanceof CarrierError, String(error))
  assert.equal(error.outcome, outcome)
  assert.match(error.message, message)
  return true
}

test('a number is found by its SID and by itself, with what it can do and where it points', async (t) => {
  const { api, carrier } = await start(t)
  api.addNumber({ phone_number: '+120255501001' })
  const added = api.addNumber({ phone_number: '+12025550100', friendly_name: 'Front desk', sms_method: 'GET' })
  const found = await carrier.findNumber({ sid: added.sid })
  assert.deepEqual(found, {
    carrier_number_sid: added.sid,
    phone_number: '+12025550100',
    friendly_name: 'Front desk',
    iso_country: 'US',
    capabilities: { voice: true, sms: true, mms: true, fax: false },
    webhooks: {
      SmsUrl: 'https://demo.twilio.com/welcome/sms/reply',
      SmsMethod: 'GET',
      SmsFallbackUrl: '',
      SmsFallbackMethod: 'POST',
      SmsApplicationSid: '',
      VoiceUrl: 'https://demo.twilio.com/welcome/voice/',
      VoiceMethod: 'POST',
      VoiceFallbackUrl: '',
      VoiceFallbackMethod: 'POST',
      VoiceApplicationSid: '',
      TrunkSid: '',
    },
  })
  // The longer number matches the vendor's filter too, and comes first.
  assert.deepEqual(await carrier.findNumber({ phone_number: '+12025550100' }), found)
})

test('capabilities in capitals are understood, and a number abroad has its own country', async (t) => {
  const { api, carrier } = await start(t)
  api.addNumber({ phone_number: '+442079460100', capabilities: { voice: true, SMS: true, MMS: false } })
  const found = await carrier.findNumber({ phone_number: '+442079460100' })
  assert.deepEqual(found?.capabilities, { voice: true, sms: true, mms: false, fax: false })
  assert.equal(found?.iso_country, 'GB')
})

test('a number that is not in the account is not found, and nonsense is not even asked for', async (t) => {
  const { api, carrier } = await start(t)
  assert.equal(await carrier.findNumber({ sid: `PN${'0'.repeat(32)}` }), undefined)
  assert.equal(await carrier.findNumber({ phone_number: '+12025550100' }), undefined)
  assert.equal(api.requests.length, 2)
  for (const sid of ['PN1', '../Messages', `AC${'0'.repeat(32)}`])
    assert.equal(await carrier.findNumber({ sid }), undefined)
  assert.equal(await carrier.findNumber({}), undefined)
  assert.equal(api.requests.length, 2)

  api.failNext({ kind: 'error', status: 500 })
  await assert.rejects(carrier.findNumber({ sid: `PN${'0'.repeat(32)}` }), CarrierError)
})

test('attaching points messages and calls at us and nowhere else, and restoring undoes it exactly', async (t) => {
  const { api, carrier } = await start(t)
  const former = 'https://former.example'
  const settings: Record<string, unknown>[] = [
    {},
    { sms_application_sid: `AP${'1'.repeat(32)}`, voice_application_sid: `AP${'2'.repeat(32)}`, sms_method: 'GET' },
    { trunk_sid: `TK${'3'.repeat(32)}`, voice_url: '', sms_fallback_url: `${former}/fallback` },
    { voice_fallback_url: `${former}/fallback`, voice_fallback_method: 'GET', voice_method: 'GET' },
    { status_callback: `${former}/status`, status_callback_method: 'GET' },
  ]
  for (const [i, setting] of settings.entries()) {
    const number = api.addNumber({ phone_number: `+1202555011${i}`, ...setting })
    const before = { ...number }
    const found = await carrier.findNumber({ sid: number.sid })
    for (const _ of ['once', 'again']) {
      await carrier.attachNumber({ carrier_number_sid: number.sid }, ours)
      const written = api.requests.at(-1)?.form.map(([name]) => name) ?? []
      // Each clears the other, but neither is relied on for that.
      for (const name of ['VoiceApplicationSid', 'TrunkSid']) assert.ok(written.includes(name), name)
      assert.deepEqual([number.sms_url, number.sms_method], [ours.message_url, 'POST'])
      assert.deepEqual([number.voice_url, number.voice_method], [ours.call_url, 'POST'])
      assert.deepEqual([number.voice_fallback_url, number.voice_fallback_method], [ours.call_url, 'POST'])
      for (const name of ['sms_application_sid', 'voice_application_sid', 'trunk_sid', 'sms_fallback_url'])
        assert.equal(number[name], '', name)
      for (const name of ['status_callback', 'status_callback_method']) assert.equal(number[name], before[name], name)
    }

    await carrier.restoreNumber({ carrier_number_sid: number.sid }, found!.webhooks)
    for (const [name, value] of Object.entries(before)) assert.deepEqual(number[name] || null, value || null, name)
  }
})

test('what was found before calls were ours is restored without touching where they go', async (t) => {
  const { api, carrier } = await start(t)
  const number = api.addNumber({ phone_number: '+12025550100' })
  const before = { ...number }
  const messagesOnly = { SmsUrl: 'https://former.example/sms', SmsMethod: 'GET', SmsFallbackUrl: '' }
  await carrier.restoreNumber({ carrier_number_sid: number.sid }, messagesOnly)
  const { sms_url, sms_method, ...others } = number
  assert.deepEqual([sms_url, sms_method], ['https://former.example/sms', 'GET'])
  for (const [name, value] of Object.entries(others)) assert.equal(value, before[name], name)
})

test('a short code is found, attached and restored like a number, for messages only', async (t) => {
  const { api, carrier } = await start(t)
  const code = api.addNumber({ phone_number: '20255', short_code: '20255' })
  const found = await carrier.findNumber({ sid: code.sid })
  assert.deepEqual([found?.phone_number, found?.capabilities.sms, found?.capabilities.voice], ['20255', true, false])
  await carrier.attachNumber({ carrier_number_sid: code.sid }, ours)
  assert.equal(code.sms_url, ours.message_url)
  assert.deepEqual(
    api.requests.at(-1)?.form.map(([name]) => name),
    ['SmsUrl', 'SmsMethod', 'SmsFallbackUrl'],
  )
  await carrier.restoreNumber({ carrier_number_sid: code.sid }, found!.webhooks)
  assert.equal(code.sms_url, 'https://demo.twilio.com/welcome/sms/reply')
})

test('without former settings there is nothing to restore, and a number that is gone is refused', async (t) => {
  const { api, carrier } = await start(t)
  await carrier.restoreNumber({ carrier_number_sid: `PN${'0'.repeat(32)}` }, {})
  assert.equal(api.requests.length, 0)
  const gone = { carrier_number_sid: `PN${'0'.repeat(32)}` }
  await assert.rejects(carrier.attachNumber(gone, ours), refusal('refused', /code 20404/))
})

test('an attachment is fetched with credentials from the API, and without them from where that points', async (t) => {
  const { api, carrier } = await start(t)
  const bytes = Buffer.from([0, 255, 1, 254])
  const url = api.addMedia({ content_type: 'image/jpeg', bytes })
  assert.deepEqual(await carrier.fetchMedia(url, 4), { content_type: 'image/jpeg', bytes })
  const [first, second] = api.requests
  assert.match(String(first?.headers.authorization), /^Basic /)
  assert.match(second?.path ?? '', /^\/cdn\//)
  assert.equal(second?.headers.authorization, undefined)
})

async function startStore(t: TestContext) {
  const authorizations: (string | undefined)[] = []
  const store = createServer((request, response) => {
    authorizations.push(request.headers.authorization)
    const hops = Number(/^\/hops\/(\d+)/.exec(request.url ?? '')?.[1] ?? 0)
    if (hops > 0) return void response.writeHead(302, { location: `/hops/${hops - 1}` }).end()
    if (request.url === '/gone') return void response.writeHead(404).end('gone')
    if (request.url === '/busy') return void response.writeHead(503).end('busy')
    if (request.url === '/unannounced') return void response.write('x'.repeat(5000))
    if (request.url === '/stall') return void response.writeHead(200, { 'content-length': '9' }).write('x')
    response.writeHead(200, { 'content-type': 'text/plain' }).end('0123456789')
  })
  await new Promise<void>((listening) => store.listen(0, '127.0.0.1', listening))
  t.after(() => {
    store.close()
    store.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(store.address() as AddressInfo).port}`, authorizations }
}

test('no other host ever sees the credentials, directly or by a redirect, and redirects have a limit', async (t) => {
  const { api, carrier } = await start(t)
  const store = await startStore(t)
  const media = { content_type: 'text/plain', bytes: Buffer.from('0123456789') }
  assert.deepEqual(await carrier.fetchMedia(`${store.url}/hops/3`, 10), media)
  const protectedUrl = api.addMedia({ ...media, location: `${store.url}/hops/2` })
  assert.deepEqual(await carrier.fetchMedia(protectedUrl, 10), media)
  await assert.rejects(carrier.fetchMedia(`${store.url}/hops/4`, 10), refusal('refused', /3 redirects/))

  // Back at the API by way of another host, the credentials are no longer offered.
  const detour = api.addMedia({ ...media, location: protectedUrl })
  await assert.rejects(carrier.fetchMedia(detour, 10), refusal('refused', /HTTP 401/))
  const withUser = store.url.replace('http://', 'http://user:secret@')
  assert.deepEqual(await carrier.fetchMedia(`${withUser}/`, 10), media)
  assert.deepEqual(store.authorizations, new Array(store.authorizations.length).fill(undefined))
  assert.equal(store.authorizations.length, 4 + 3 + 4 + 1)
})

test('a file is fetched from no private address, directly or by a redirect, and control: unguarded it is', async (t) => {
  const { api, carrier, guarded } = await start(t)
  const store = await startStore(t)
  const careful = guarded([])
  const media = { content_type: 'text/plain', bytes: Buffer.from('0123456789') }
  const redirecting = api.addMedia({ ...media, location: `${store.url}/` })
  const place = { carrier_recording_id: `RE${'0'.repeat(32)}`, url: `${store.url}/` }
  const fetches = (one: typeof carrier) => [
    () => one.fetchMedia(`${store.url}/`, 10),
    () => one.fetchMedia(redirecting, 10),
    () => one.fetchRecording(place, 10),
  ]
  for (const fetch of fetches(careful)) await assert.rejects(fetch(), refusal('refused', /at a private address/))
  assert.equal(store.authorizations.length, 0)
  for (const fetch of fetches(carrier)) assert.deepEqual(await fetch(), media)
  for (const fetch of fetches(guarded(['127.0.0.1/32']))) assert.deepEqual(await fetch(), media)
})

test('an attachment that is too large, gone, stalled or not on https is not fetched', async (t) => {
  const { api, carrier } = await start(t, 500)
  const store = await startStore(t)
  await assert.rejects(carrier.fetchMedia(`${store.url}/`, 9), refusal('refused', /larger than 9 bytes/))
  await assert.rejects(carrier.fetchMedia(`${store.url}/unannounced`, 4999), refusal('refused', /larger than 4999/))
  await assert.rejects(carrier.fetchMedia(`${store.url}/gone`, 9), refusal('refused', /HTTP 404/))
  await assert.rejects(carrier.fetchMedia(`${store.url}/busy`, 9), refusal('not-sent', /HTTP 503/))
  await assert.rejects(carrier.fetchMedia(`${store.url}/stall`, 9), refusal('not-sent', /could not be downloaded/))
  for (const url of ['ftp://api.twilio.com/x', 'file:///etc/hostname', 'not a URL', '']) {
    await assert.rejects(carrier.fetchMedia(url, 9), refusal('refused', /not an https URL/), url)
  }

  const { account_sid, auth_token } = api
  const strict = twilioCarrier({ account_sid, auth_token, base_url: 'https://api.twilio.com' })
  const before = store.authorizations.length
  await assert.rejects(strict.fetchMedia(`${store.url}/`, 10), refusal('refused', /not an https URL/))
  assert.equal(store.authorizations.length, before)
})
