import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32, deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { cleanAttachment } from '../src/core/attachment/clean.ts'
import { stripJpeg } from '../src/core/attachment/jpeg.ts'
import { stripPng } from '../src/core/attachment/png.ts'
import { orientationOf } from '../src/core/attachment/tiff.ts'
import { converse, eventCodes, settled } from './support/conversation.ts'
import { eventsOf } from './support/proxy-api.ts'
import { makeTwilioService, startTwilioServer } from './support/twilio-server.ts'

/** In every place where a camera or a program writes something, beside the picture. */
const SECRET = 'where she lives'

const segment = (marker: number, content: Buffer | string) => {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(content, 'latin1')
  const head = Buffer.of(0xff, marker, 0, 0)
  head.writeUInt16BE(bytes.length + 2, 2)
  return Buffer.concat([head, bytes])
}

/** EXIF as a camera writes it: three entries, the second of which is the orientation, and what the others point to. */
function tiff(orientation: number, order: 'II' | 'MM'): Buffer {
  const bytes = Buffer.alloc(50)
  const short = (value: number, at: number) =>
    order === 'II' ? bytes.writeUInt16LE(value, at) : bytes.writeUInt16BE(value, at)
  const long = (value: number, at: number) =>
    order === 'II' ? bytes.writeUInt32LE(value, at) : bytes.writeUInt32BE(value, at)
  bytes.write(order, 'latin1')
  short(42, 2)
  long(8, 4)
  short(3, 8)
  for (const [nth, [tag, type, value]] of [
    [0x010f, 2, 50],
    [0x0112, 3, orientation],
    [0x8825, 4, 50],
  ].entries()) {
    const at = 10 + nth * 12
    short(tag ?? 0, at)
    short(type ?? 0, at + 2)
    long(1, at + 4)
    if (type === 3) short(value ?? 0, at + 8)
    else long(value ?? 0, at + 8)
  }
  return Buffer.concat([bytes, Buffer.from(SECRET)])
}

const jfif = (thumbnail: string) =>
  Buffer.concat([
    Buffer.from('JFIF\0\x01\x02\x01\0\x48\0\x48', 'latin1'),
    Buffer.of(thumbnail ? 2 : 0, thumbnail ? 4 : 0),
    Buffer.from(thumbnail),
  ])
const ADOBE = segment(0xee, 'Adobe\0\x64\0\0\0\0\x01')
const PICTURE = [
  segment(0xdb, Buffer.alloc(65, 3)),
  segment(0xc0, Buffer.alloc(9, 1)),
  segment(0xc4, Buffer.alloc(20, 2)),
]
const scan = (byte: number) => [
  segment(0xda, Buffer.alloc(8, byte)),
  Buffer.concat([Buffer.alloc(40, byte), Buffer.of(0xff, 0, 7, 0xff, 0xd0, 8, 0xff, 0xd1, 9)]),
]
const START = Buffer.of(0xff, 0xd8)
const END = Buffer.of(0xff, 0xd9)

const jpeg = (orientation = 6, order: 'II' | 'MM' = 'MM') =>
  Buffer.concat([
    ...[
      START,
      segment(0xe0, jfif(`${SECRET} small`)),
      segment(0xe1, Buffer.concat([Buffer.from('Exif\0\0'), tiff(orientation, order)])),
    ],
    ...[
      segment(0xe1, `http://ns.adobe.com/xap/1.0/\0${SECRET}`),
      segment(0xe2, `ICC_PROFILE\0${SECRET}`),
      segment(0xe2, `MPF\0${SECRET}`),
    ],
    ...[
      segment(0xed, `Photoshop 3.0\0${SECRET}`),
      Buffer.of(0xff, 0xff),
      ADOBE,
      segment(0xfe, SECRET),
      segment(0xeb, SECRET),
    ],
    ...PICTURE,
    ...[...scan(4), segment(0xfe, SECRET), segment(0xc4, Buffer.alloc(20, 5)), ...scan(6), END],
    ...[START, segment(0xe1, `Exif\0\0${SECRET}`), END, Buffer.from(SECRET)],
  ])

const chunk = (type: string, content: Buffer | string) => {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), Buffer.isBuffer(content) ? content : Buffer.from(content)])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(body.length - 4, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}
const HEADER = chunk('IHDR', Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0]))
const PIXELS = chunk('IDAT', deflateSync(Buffer.from([0, 10, 20, 30])))
const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
const png = () =>
  Buffer.concat([
    ...[
      SIGNATURE,
      HEADER,
      chunk('gAMA', Buffer.alloc(4, 1)),
      chunk('iCCP', SECRET),
      chunk('tEXt', SECRET),
      chunk('zTXt', SECRET),
    ],
    ...[
      chunk('iTXt', SECRET),
      chunk('tIME', Buffer.alloc(7)),
      chunk('eXIf', tiff(8, 'II')),
      chunk('caBX', SECRET),
      PIXELS,
    ],
    ...[chunk('tEXt', SECRET), chunk('IEND', ''), Buffer.from(SECRET)],
  ])

const holds = (bytes: Buffer | undefined) => (bytes ?? Buffer.alloc(0)).includes(SECRET)

test('of a JPEG the picture is kept to the byte with which way up it is, and nothing else', () => {
  for (const order of ['II', 'MM'] as const) {
    assert.ok(holds(jpeg(6, order)), 'control: there is something to take out')
    const stripped = stripJpeg(jpeg(6, order))
    assert.ok(stripped && !holds(stripped))
    const picture = Buffer.concat([ADOBE, ...PICTURE, ...scan(4), segment(0xc4, Buffer.alloc(20, 5)), ...scan(6), END])
    const [head, body] = [stripped.subarray(0, -picture.length), stripped.subarray(-picture.length)]
    assert.deepEqual(body, picture)
    assert.equal(orientationOf(head.subarray(12, 38)), 6)
    assert.deepEqual(head.subarray(0, 12), Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, 34, ...Buffer.from('Exif\0\0')]))
    assert.deepEqual(head.subarray(38), segment(0xe0, jfif('')))
    assert.deepEqual(stripJpeg(stripped), stripped, 'once more changes nothing')
  }
  assert.ok(!stripJpeg(jpeg(1))?.includes('Exif'), 'what is upright needs no word about it')
})

test('a JPEG that breaks off in its picture is kept as far as it goes, one that breaks off before is not', () => {
  const whole = Buffer.concat([START, ...PICTURE, ...scan(4), END])
  assert.deepEqual(stripJpeg(whole), whole)
  assert.deepEqual(stripJpeg(whole.subarray(0, -9)), Buffer.concat([whole.subarray(0, -9), END]))
  for (const length of [2, 3, 5, 30, 100]) assert.equal(stripJpeg(whole.subarray(0, length)), undefined, String(length))
})

test('of a PNG the picture is kept to the byte with which way up it is, and nothing else', () => {
  assert.ok(holds(png()), 'control: there is something to take out')
  const stripped = stripPng(png())
  assert.ok(stripped && !holds(stripped))
  const types = [...stripped.toString('latin1').matchAll(/IHDR|gAMA|eXIf|IDAT|IEND|tIME|iCCP/g)].map(([type]) => type)
  assert.deepEqual(types, ['IHDR', 'gAMA', 'eXIf', 'IDAT', 'IEND'])
  assert.ok(stripped.includes(PIXELS) && stripped.includes(HEADER))
  const at = stripped.indexOf('eXIf')
  assert.equal(orientationOf(stripped.subarray(at + 4)), 8)
  assert.equal(stripped.readUInt32BE(at + 30), crc32(stripped.subarray(at, at + 30)))
  assert.deepEqual(stripPng(stripped), stripped, 'once more changes nothing')
  for (const length of [8, 20, 60, png().indexOf('IEND') - 4])
    assert.equal(stripPng(png().subarray(0, length)), undefined)
})

test('no bytes whatever make it fail, or take it long', () => {
  const pictures = [jpeg(), png(), Buffer.from('BEGIN:VCARD'), Buffer.alloc(0)]
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 20 })
  fc.assert(
    fc.property(fc.constantFrom(...pictures), damage, fc.nat(), (picture, changes, length) => {
      const bytes = Buffer.from(picture.subarray(0, 1 + (length % (picture.length + 1))))
      for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value
      cleanAttachment({ content_type: 'image/jpeg', bytes })
    }),
    { numRuns: 3_000 },
  )
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 500 }),
      (bytes) => void cleanAttachment({ content_type: '', bytes: Buffer.from(bytes) }),
    ),
  )
  for (const worst of [
    Buffer.alloc(5e6, 0xff),
    Buffer.concat([START, ...PICTURE, ...scan(1), Buffer.alloc(5e6, 0xff)]),
  ]) {
    const began = process.cpuUsage()
    stripJpeg(worst)
    assert.ok(process.cpuUsage(began).user < 2e6)
  }
})

const CARD = 'BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Alice\r\nTEL:+14155550199\r\nEND:VCARD\r\n'

test('pictures leave without what else is in them, whatever they are said to be; visiting cards and damaged ones do not leave', async (t) => {
  const { server, twilio } = await startTwilioServer(t)
  const service = await makeTwilioService(server, twilio)
  const { alice } = await converse(server, service)
  const attachments: [content_type: string, bytes: Buffer][] = [
    ['image/jpeg', jpeg()],
    ['text/plain', jpeg(1)],
    ['image/jpeg; name="a.jpg"', png()],
    ['text/vcard', Buffer.from(CARD)],
    ['application/octet-stream', Buffer.from(`\ufeff\r\n${CARD}`)],
    ['text/plain', Buffer.from(CARD, 'utf16le')],
    ['text/directory; profile=vCard', Buffer.from('FN:Alice')],
    ['image/jpeg', jpeg().subarray(0, 100)],
    ['image/gif', Buffer.from('GIF89a')],
  ]
  const mediaUrls = attachments.map(([content_type, bytes]) => twilio.addMedia({ content_type, bytes }))
  const send = async () => {
    await twilio.receive({ from: alice.identifier, to: alice.proxy, body: 'Look', mediaUrls })
    const { media_urls } = await twilio.nextSent()
    return await Promise.all(
      media_urls.map(async (url) => {
        const answer = await fetch(url)
        const [type, name] = ['content-type', 'content-disposition'].map((header) => answer.headers.get(header))
        return { type, name, bytes: Buffer.from(await answer.arrayBuffer()) }
      }),
    )
  }
  const sent = await send()
  assert.deepEqual(
    sent.map(({ type }) => type),
    ['image/jpeg', 'image/jpeg', 'image/png', 'image/gif'],
  )
  assert.ok(!sent.some(({ bytes }) => holds(bytes)))
  assert.deepEqual(
    sent.map(({ name }) => name),
    [1, 2, 3, 9].map((at) => `inline; filename="m${at}"`),
  )
  await settled(server, service)
  assert.deepEqual(await eventCodes(server, service), Array(5).fill(80914))
  const messages = (await eventsOf(server, service, 80914)).map(({ message }) => message)
  assert.ok(messages.includes('Attachment 3 was left out: it is a visiting card, which AllowVcards lets pass.'))
  assert.equal(messages.filter((message) => /the picture is damaged/.test(message)).length, 1)

  await server.post(`/maskline${service.path}/Settings`, { AllowVcards: 'true' })
  const allowed = await send()
  assert.deepEqual(
    allowed.map(({ type }) => type),
    [
      'image/jpeg',
      'image/jpeg',
      'image/png',
      'text/vcard',
      'application/octet-stream',
      'text/plain',
      'application/octet-stream',
      'image/gif',
    ],
  )
  assert.deepEqual(allowed[3]?.bytes.toString(), CARD, 'control: a card that is allowed is served as it came')
})
