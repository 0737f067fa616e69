import type { Fault } from '../../test/support/twilio-api.ts'
import { vendorSid } from '../../test/support/twilio-numbers.ts'
import type { Random } from '../random.ts'
import { BEHAVES } from './text-application.ts'
import type { TextSide, TextWorld } from './text-world.ts'

/** One text from one phone, as it is written, attached to, carried and mangled. */
export type Sending = {
  from: string
  to: string
  /** Who is to be shown it; undefined for nobody. */
  reader: string | undefined
}

const TYPES: [string, ...string[]] = [
  ...(['image/jpeg', 'image/png', 'image/gif', 'video/mp4', 'audio/amr', 'application/pdf', 'text/vcard'] as const),
  ...['text/plain', 'text/html', 'image/svg+xml', 'application/octet-stream'],
]

/** What looks like markup, or like a place for a number, is a text like any other. */
const ODD_WORDS: [string, ...string[]] = [
  '<Dial>+12025550199</Dial>',
  '<Response><Message to="+12025550199"><Body>Hi</Body></Message></Response>',
  '</Message><Redirect>http://127.0.0.1/</Redirect>',
  '&lt;Say&gt; &#43; &quot;<![CDATA[ <Hangup/> ]]>',
  '{{From}} {from} $sender %From% $1 $& {identifier} {participant}',
  'To: me\r\nFrom: you\r\n\r\n.\r\n',
  '\u202Eterces\u202C \u200B\u2066😀\u2069 ｆｕｌｌ',
  '%2B %31%32 \\u002b &amp;#43; +',
  '{"from":null,"body":"<b>"}',
  'a'.repeat(1500),
]
const OPT_OUT: [string, ...string[]] = ['STOP', ' stop\n', 'Unsubscribe', 'cancel', 'START', 'HELP']

const MEDIA_SHARE = 0.15
const FAULT_SHARE = 0.04
const MOST_TIMES = 20

/** Sends it, and repeats it as carriers do; resolves when it is taken. */
export async function sendText(texts: TextWorld, side: TextSide, random: Random, sending: Sending): Promise<void> {
  const { from, to } = sending
  const media = random.chance(MEDIA_SHARE) ? attach(texts, side, random, from) : []
  const body = compose(texts, random, sending, media.length > 0)
  if (side.kind === 'twilio' && random.chance(FAULT_SHARE)) texts.world.twilio.failNext(drawFault(random, sending))
  await carry(texts, side, { from, to, body, media, times: random.chance(0.03) ? 2 : 1 })
  texts.world.count(media.length > 0 ? 'texts with attachments' : 'texts without attachments')
}

/** A message that the API asks for. */
export async function sendByApi(
  texts: TextWorld,
  side: TextSide,
  random: Random,
  { path, sending }: { path: string; sending: Sending },
): Promise<void> {
  const count = random.chance(MEDIA_SHARE) ? 1 + random.below(3) : 0
  const urls = Array.from({ length: count }, () => `${texts.application.url}/files/of-the-customer.gif`)
  const body = compose(texts, random, sending, false)
  if (side.kind === 'twilio' && random.chance(2 * FAULT_SHARE)) texts.world.twilio.failNext(drawFault(random, sending))
  const params = [['Body', body], ...urls.map((url) => ['MediaUrl', url])] as [string, string][]
  const { status, text } = await side.client.ask('POST', path, new URLSearchParams(params))
  if (status >= 500) throw new Error(`${path}: ${status} ${text}`)
  if (status < 300) texts.taps.look('interactions', text)
  texts.world.count(status < 300 ? 'messages by the API' : 'messages by the API that the carrier refused')
}

function compose(texts: TextWorld, random: Random, { reader }: Sending, mayBeEmpty: boolean): string {
  const kind = random.draw({ words: 12, odd: 2, behaves: 1.5, 'opt-out': 0.5, empty: mayBeEmpty ? 8 : 0 })
  if (kind === 'empty') return ''
  if (kind === 'opt-out') return random.pick(OPT_OUT)
  const mark = texts.nextMark()
  const words = {
    words: 'I am on my way',
    odd: random.pick(ODD_WORDS),
    behaves: random.pick(Object.values(BEHAVES) as [string, ...string[]]),
  }[kind]
  const body = `${mark} ${words}`
  texts.expected.set(mark, reader === undefined ? undefined : { to: reader, body })
  return body
}

/** On the simulated network an attachment is an address that its sender typed, which is passed on as it was typed. */
function attach({ world, application }: TextWorld, side: TextSide, random: Random, from: string): string[] {
  const count = random.draw({ 1: 6, 2: 2, 3: 1, 10: 1 })
  return Array.from({ length: Number(count) }, () => {
    if (side.kind === 'simulator')
      return random.chance(0.2) ? 'data:image/gif;base64,R0lGOD' : `${application.url}/files/a.gif`
    const type = random.pick(TYPES)
    const [code, digits] = [encodeURIComponent(from), from.replace(/\D/g, '')]
    const kind = random.draw({ carrier: 6, elsewhere: 4, large: 0.05, gone: 0.2 })
    const stored = { content_type: `${type}; name="${from}.bin"`, bytes: Buffer.from('GIF89a and a picture of a dog') }
    const location = `${application.url}/files/${kind === 'large' ? 'large' : code}/IMG_${digits}.gif?type=${type}&from=${code}`
    const url = world.twilio.addMedia(kind === 'carrier' || kind === 'gone' ? stored : { ...stored, location })
    return `${url}${kind === 'gone' ? 'gone' : ''}?from=${code}&name=IMG_${digits}.jpg`
  })
}

type Carried = { from: string; to: string; body: string; media: string[]; times: number }

async function carry({ world }: TextWorld, side: TextSide, { from, to, body, media, times }: Carried): Promise<void> {
  const { twilio, server } = world
  if (side.kind === 'simulator') {
    await side.client.json('/simulator/messages', { from, to, body, media_urls: media })
    return
  }
  const sid = vendorSid(media.length > 0 ? 'MM' : 'SM')
  const url = `${server.url}/webhooks/${side.account.carrier_sid}/messages`
  let taken = 0
  for (let time = 0; taken < times; time++) {
    const { status } = await twilio.receive({ from, to, body, mediaUrls: media, sid, url })
    if (status === 200) taken++
    // A server with too much to do says so, and is told again.
    else if (status !== 503 || time > MOST_TIMES) throw new Error(`a text was not taken: ${status}`)
  }
  if (times > 1) world.count('texts told twice')
}

/** What a carrier says when it does not do what it is asked, naming whom it likes. */
function drawFault(random: Random, { from, reader = '' }: Sending): Fault {
  const message = `The message from ${from} (${Buffer.from(from).toString('base64')}) to ${reader} cannot be sent`
  return random.pick<Fault>([
    { kind: 'error', status: 400, code: 21610, message },
    { kind: 'error', status: 400, code: 21610, message, stored: true },
    { kind: 'error', status: 400, code: 21211, message },
    { kind: 'error', status: 400, code: 99999, message },
    { kind: 'error', status: 400, code: Number(from.replace(/\D/g, '')), message },
    { kind: 'error', status: 400, body: JSON.stringify({ code: from, message, more_info: from, status: from }) },
    { kind: 'error', status: 404, body: message },
    { kind: 'error', status: 429, code: 20429, message, headers: { 'retry-after': '1', 'x-sender': from } },
    { kind: 'error', status: 503, message, headers: { 'retry-after': from } },
    { kind: 'error', status: 500, code: 20500, message },
    { kind: 'error', status: 302, body: message, headers: { location: `/${encodeURIComponent(from)}` } },
    { kind: 'garbled' },
    { kind: 'reset' },
  ])
}
