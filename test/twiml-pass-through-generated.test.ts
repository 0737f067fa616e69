import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseTwiml, type TwimlNode } from '../src/twiml/parse.ts'
import { type PassThrough, passThrough } from '../src/twiml/pass-through.ts'

// Documents that somebody made up to get past us, and a reader of what comes out that shares nothing with the rules.

const VIA = 'https://mask.example/via?'
const INGRESS = 'https://mask.example/webhooks/MC/calls'
const [CALLER, PROXY, OTHER] = ['+12025550102', '+12025550101', '+12025550199']

const options: PassThrough = {
  url: 'https://app.example/proxy/fallback?x=1',
  caller_id: PROXY,
  caller: CALLER,
  via: (url) => `${VIA}${encodeURIComponent(url)}`,
  ingress: (url) => (url === 'https://mask.example/ingress' ? INGRESS : undefined),
}

const local = (name: string) => name.slice(name.lastIndexOf(':') + 1).toLowerCase()
const isCaller = (text: string) => decodeURIComponent(text).replace(/\D/g, '').includes('2025550102')
const isOurs = (url: string) => url.startsWith(VIA) || url === INGRESS
const ADDRESSES = /^(action|(wait|refer|step)?url|(status|recordingstatus|partialresult|transcribe)callback(url)?)$/

/** Every way in which this tree would show the caller or go past us. */
function findLeaks({ name, attributes, text, children }: TwimlNode): string[] {
  const leaks = children.flatMap(findLeaks)
  const kind = local(name)
  const callerIds = Object.keys(attributes).filter((key) => local(key) === 'callerid')
  if (kind === 'dial') {
    if (`${callerIds}` !== 'callerId' || !attributes.callerId?.trim()) leaks.push('a Dial without callerId')
    else if (isCaller(attributes.callerId)) leaks.push('a Dial with the callerId of the caller')
  }
  for (const [key, value] of Object.entries(attributes)) {
    if (!ADDRESSES.test(local(key)) || isOurs(value)) continue
    const isAllowed = key === 'waitUrl' ? value.trim() === '' : name === 'Stream' && value.trim().startsWith('wss://')
    if (!isAllowed) leaks.push(`an address in ${local(key)}`)
  }
  if (kind === 'redirect' && !isOurs(text)) leaks.push('a Redirect elsewhere')
  if ((name === 'Gather' || name === 'Record') && !attributes.action) leaks.push('no action')
  if (kind === 'play' && text.trim() !== '' && !/^https?:\/\/[^/]/.test(text)) leaks.push('a Play of something else')
  if (kind === 'refer') leaks.push('a Refer')
  if (kind === 'sip' && isCaller(text)) leaks.push('a Sip with the caller')
  return leaks
}

const values = fc.constantFrom(
  ...[
    '',
    ' ',
    '/a',
    'b?c=d&e',
    '//evil.example/x',
    'javascript:alert(1)',
    'https://u:p@evil.example/',
    'ftp://x/',
    'wss://x/',
  ],
  ...[
    'http://',
    'HTTPS://Evil.Example/',
    ' https://evil.example/ ',
    'https://mask.example/ingress',
    'data:,x',
    '\\\\evil',
  ],
  ...[
    CALLER,
    '2025550102',
    '+1 (202) 555-0102',
    'client:+12025550102',
    '%2B12025550102',
    OTHER,
    'GET',
    '"><Dial>1</Dial>',
  ],
)
const keys = fc.constantFrom(
  ...[
    'callerId',
    'callerid',
    'CallerID',
    'x:callerId',
    'action',
    'Action',
    'x:action',
    'method',
    'METHOD',
    'url',
    'URL',
  ],
  ...[
    'waitUrl',
    'waitURL',
    'waitMethod',
    'statusCallback',
    'statusCallbackUrl',
    'STATUSCALLBACK',
    'recordingStatusCallback',
  ],
  ...['partialResultCallback', 'transcribeCallback', 'referUrl', 'stepUrl', 'timeout', '__proto__', 'xml:base'],
)
const names = fc.constantFrom(
  ...[
    'Dial',
    'Dial',
    'Dial',
    'dial',
    'DIAL',
    'x:Dial',
    'Gather',
    'Record',
    'Say',
    'Play',
    'play',
    'Number',
    'Sip',
    'SIP',
    'Client',
  ],
  ...['Conference', 'Enqueue', 'Sms', 'Refer', 'refer', 'Connect', 'Stream', 'Dance', 'Redirect', 'redirect', 'break'],
)
/** Some characters as references, as somebody who hides something would write them. */
const written = (text: string, every: number) =>
  [...text].map((c, at) => (/[\w+/ ]/.test(c) && at % every ? c : `&#x${c.codePointAt(0)?.toString(16)};`)).join('')

const { markup } = fc.letrec<{ markup: string }>((tie) => ({
  markup: fc
    .record({
      name: names,
      attributes: fc.dictionary(keys, fc.tuple(values, fc.integer({ min: 1, max: 9 })), { maxKeys: 5 }),
      inside: fc.array(fc.oneof({ depthSize: 'small' }, fc.tuple(values, fc.constant(3)), tie('markup')), {
        maxLength: 3,
      }),
    })
    .map(({ name, attributes, inside }) => {
      const pairs = Object.entries(attributes).map(([key, [value, every]]) => ` ${key}="${written(value, every)}"`)
      const pieces = inside.map((piece) => (typeof piece === 'string' ? piece : written(...piece)))
      // A Redirect that leads nowhere refuses the whole document, and would hide what else is in it.
      return `<${name}${pairs.join('')}>${name === 'Redirect' ? written('//evil.example', 3) : pieces.join('<!-- -->')}</${name}>`
    }),
}))
const documents = fc
  .array(markup, { minLength: 1, maxLength: 4 })
  .map((made) => `<Response>${made.join('')}</Response>`)

test('whatever a document holds, nobody is shown the caller and no address goes past us', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(documents, (document) => {
      for (const leak of findLeaks(parseTwiml(document))) seen.add(leak)
      const { twiml } = passThrough(document, options)
      assert.deepEqual(findLeaks(parseTwiml(twiml)), [])
    }),
    { numRuns: 500 },
  )
  // What was put in did leak, in each of these ways: the check above would have noticed.
  const kinds = ['a Dial without callerId', 'a Dial with the callerId of the caller', 'an address in action', 'a Refer']
  const others = ['a Redirect elsewhere', 'no action', 'a Play of something else', 'a Sip with the caller']
  for (const kind of [...kinds, ...others]) assert.ok(seen.has(kind), kind)
})

test('the check notices a document whose callerId alone was taken out again', () => {
  const { twiml } = passThrough(`<Response><Dial action="/a" callerId="${CALLER}">1</Dial></Response>`, options)
  const checked = (text: string) => findLeaks(parseTwiml(text))
  assert.deepEqual(checked(twiml), [])
  assert.deepEqual(checked(twiml.replace(` callerId="${PROXY}"`, '')), ['a Dial without callerId'])
  assert.deepEqual(checked(twiml.replace(PROXY, '1-202-555-0102')), ['a Dial with the callerId of the caller'])
  assert.deepEqual(checked(twiml.replace(VIA, 'https://other.example/?')), ['an address in action'])
})
