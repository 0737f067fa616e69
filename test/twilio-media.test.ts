import assert from 'node:assert/strict'
import { test } from 'node:test'
import { converse, eventCodes, hurry, interactionsOf, newPerson, settled } from './support/conversation.ts'
import { addNumber, makeService, newNumber, rows } from './support/proxy-api.ts'
import { startReceiver } from './support/receiver.ts'
import { eventually } from './support/server.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

const PICTURE = Buffer.from('not really a picture \0\xff', 'latin1')

test('attachments are fetched with the credentials and passed on under an address of ours that expires', async (t) => {
  const receiver = await startReceiver(t)
  const { server, twilio } = await startTwilioServer(t)
  const urls = { CallbackUrl: `${receiver.url}/status`, InterceptCallbackUrl: `${receiver.url}/intercept` }
  const service = await makeTwilioService(server, twilio, urls)
  await server.post(`/maskline${service.path}/Settings`, { AllowVcards: 'true' })
  const { session, alice, bob } = await converse(server, service)
  const types = ['image/jpeg', 'text/html; charset=utf-8', 'text/vcard']
  const mediaUrls = types.map((content_type) => twilio.addMedia({ content_type, bytes: PICTURE }))
  await twilio.receive({ from: alice.identifier, to: alice.proxy, body: 'Look', mediaUrls })
  const { sid, media_urls, from, to } = await twilio.nextSent()
  assert.deepEqual([from, to, media_urls.length], [bob.proxy, bob.identifier, 3])
  for (const url of media_urls) assert.match(url, new RegExp(`^${server.url}/media/${service.sid}/[0-9a-f]{32}$`))
  // A report that overtakes the answer to the send is told alone.
  const status = async () => (await interactionsOf(server, session))[0]?.outbound_resource_status
  await eventually(async () => (await status()) === 'queued', 'the carrier has taken it')
  await twilio.report(sid, 'delivered')
  await settled(server)

  for (const { target, params, body } of receiver.requests) {
    assert.equal(params.interactionNumMedia, '3', target)
    assert.deepEqual(
      [0, 1, 2].map((at) => params[`interactionMediaUrl${at}`]),
      media_urls,
    )
    assert.ok(!decodeURIComponent(body).includes(twilio.url), 'the address at the carrier is told to nobody')
  }
  assert.deepEqual(receiver.requests.map(({ target }) => target).sort(), ['/intercept', '/status', '/status'])
  assert.equal((await interactionsOf(server, session))[0]?.data, '{"body":"Look"}')

  const served = await Promise.all(media_urls.map((url) => fetch(url)))
  assert.deepEqual(
    served.map(({ headers }) => headers.get('content-type')),
    ['image/jpeg', 'application/octet-stream', 'text/vcard'],
  )
  for (const response of served) {
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), PICTURE)
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
    assert.match(response.headers.get('content-security-policy') ?? '', /^default-src 'none';.* sandbox$/)
  }
  const answerTo = async (url: string) => (await fetch(url)).status
  const [url = ''] = media_urls
  assert.equal(await answerTo(url.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))), 404)
  assert.equal(await answerTo(url.replace(/KS\w{32}/, `KS${'0'.repeat(32)}`)), 404)
  await rows(server, `update media set expires_at = now() where content_type = 'image/jpeg'`)
  assert.equal(await answerTo(url), 404)
  assert.equal(await answerTo(media_urls[1] ?? ''), 200)
})

test('of an attachment’s type neither its parameters nor a number are kept', async (t) => {
  const receiver = await startReceiver(t, () => ({ headers: { 'content-type': 'text/xml' }, body: '<Response/>' }))
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio, { OutOfSessionCallbackUrl: receiver.url })
  const { alice } = await converse(server, service)
  const [, digits = ''] = alice.identifier.split('+')
  const types = [`image/jpeg; name="+${digits}.jpg"`, `audio/${digits}`, `IMAGE/PNG`]
  const mediaUrls = types.map((content_type) => twilio.addMedia({ content_type, bytes: PICTURE }))
  await twilio.receive({ from: newPerson(), to: alice.proxy, mediaUrls })
  await settled(server)
  const [asked] = receiver.requests
  assert.deepEqual(
    [0, 1, 2].map((at) => asked?.params[`MediaContentType${at}`]),
    ['image/jpeg', 'application/octet-stream', 'image/png'],
  )
  await twilio.receive({ from: alice.identifier, to: alice.proxy, mediaUrls })
  const { media_urls } = await twilio.nextSent()
  const served = await Promise.all(media_urls.map((url) => fetch(url)))
  assert.deepEqual(
    served.map(({ headers }) => headers.get('content-type')),
    ['image/jpeg', 'application/octet-stream', 'image/png'],
  )
  const kept = await rows(server, `select from media where content_type like '%${digits}%'`)
  assert.equal(kept.length, 0)
})

test('an attachment that cannot be had for now is waited for; one that is gone is left out, on record', async (t) => {
  const receiver = await startReceiver(t, () => ({ headers: { 'content-type': 'text/xml' }, body: '<Response/>' }))
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio, { OutOfSessionCallbackUrl: receiver.url })
  const { alice } = await converse(server, service)
  const media = twilio.addMedia({ content_type: 'image/png', bytes: PICTURE })
  const text = (from: string, body: string, mediaUrls = [media]) =>
    twilio.receive({ from, to: alice.proxy, body, mediaUrls })
  const isPostponed = async () =>
    (await rows(server, `select from interactions where attempts > 0 and due_at < now() + interval '10 s'`)).length > 0

  twilio.failNext({ kind: 'error', status: 500 })
  await text(alice.identifier, 'Waits')
  await eventually(isPostponed, 'it is postponed')
  assert.equal(twilio.sent().length, 0)
  await hurry(server, 'interactions')
  assert.equal((await twilio.nextSent()).media_urls.length, 1)

  // The customer is not asked about a stranger's picture before it can be shown either.
  await settled(server)
  twilio.failNext({ kind: 'error', status: 500 })
  await text(newPerson(), 'A stranger’s')
  await eventually(isPostponed, 'it is postponed')
  assert.equal(receiver.requests.length, 0)
  await hurry(server, 'interactions')
  const { params } = await receiver.next()
  assert.match(params.MediaUrl0 ?? '', new RegExp(`^${server.url}/media/`))

  await settled(server)
  await text(alice.identifier, 'One is gone', [`${media}/gone`, media])
  const sent = await twilio.nextSent()
  assert.deepEqual([sent.body, sent.media_urls.length], ['One is gone', 1])
  await settled(server)
  assert.deepEqual(await eventCodes(server, service), [80902, 11200])

  // After some tries an attachment that still cannot be had counts as gone.
  await text(alice.identifier, 'Enough of waiting', [])
  await twilio.nextSent()
  await settled(server)
  twilio.failNext(...Array(5).fill({ kind: 'error', status: 500 }))
  await text(alice.identifier, 'Never to be had')
  for (let attempts = 1; attempts < 5; attempts++) {
    const tried = async () =>
      (
        await rows(
          server,
          'select from interactions where attempts = $1 and due_at is not null and send_started_at is null',
          [attempts],
        )
      ).length > 0
    await eventually(tried, `try ${attempts}`)
    await hurry(server, 'interactions')
  }
  const bare = await twilio.nextSent()
  assert.deepEqual([bare.body, bare.media_urls], ['Never to be had', []])
})

test('from a number without MMS the text goes alone, and an attachment alone fails', async (t) => {
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeService(server, 0)
  const capabilities = { voice: true, sms: true, mms: false, fax: false }
  for (let at = 0; at < 2; at++) {
    const { sid } = twilio.addNumber({ phone_number: newNumber(), capabilities })
    await addNumber(server, service, { Sid: sid, PhoneNumber: '' })
  }
  const { session, alice } = await converse(server, service)
  const mediaUrls = [twilio.addMedia({ content_type: 'image/png', bytes: PICTURE })]
  for (const body of ['With words', '']) {
    await twilio.receive({ from: alice.identifier, to: alice.proxy, body, mediaUrls })
    await settled(server)
  }
  assert.deepEqual(
    twilio.sent().map(({ body, media_urls }) => [body, media_urls]),
    [['With words', []]],
  )
  const statuses = (await interactionsOf(server, session)).map((row) => row.outbound_resource_status)
  assert.deepEqual(statuses.sort(), ['failed', 'queued'])
  assert.deepEqual(new Set(await eventCodes(server, service)), new Set([21620]))
})
