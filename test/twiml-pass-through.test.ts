import assert from 'node:assert/strict'
import { test } from 'node:test'
import twilio from 'twilio'
import { TwimlError } from '../src/twiml/parse.ts'
import { type PassThrough, passThrough } from '../src/twiml/pass-through.ts'

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
const VIA = 'https://mask.example/via?'
const INGRESS = 'https://mask.example/webhooks/MC/calls'
const [CALLER, PROXY, OTHER] = ['+12025550102', '+12025550101', '+12025550199']

const options: PassThrough = {
  url: 'https://app.example/proxy/fallback?x=1',
  caller_id: PROXY,
  caller: CALLER,
  via: (url, method, purpose) => `${VIA}${purpose}-${method}-${url}`,
  ingress: (url) => (/^https:\/\/(mask|hooks)\.example\/ingress/.test(url) ? INGRESS : undefined),
}

/** What becomes of the inside of a Response. */
function inside(body: string, more: Partial<PassThrough> = {}): string {
  const { twiml } = passThrough(`<Response>${body}</Response>`, { ...options, ...more })
  assert.ok(twiml.startsWith(`${HEAD}<Response`))
  return twiml.slice(`${HEAD}<Response>`.length, -'</Response>'.length).replaceAll('&amp;', '&')
}

test('a Dial shows the dialled number unless it names one that is not the caller’s', () => {
  const own = [
    '',
    'callerId=""',
    'callerId="  "',
    `callerId="${CALLER}"`,
    'callerId="12025550102"',
    'callerId=" (202) 555-0102 "',
    'callerId="0012025550102"',
    'callerId="202.555.0102"',
    'callerId="+1&#x32;02&#8203;5550102"',
    'callerId="client:12025550102"',
    'callerId="sip:+12025550102@10.0.0.1;user=phone"',
    'callerId="client:%2B1%32025550102"',
    'callerId="+１２０２５５５０１０２"',
    'callerId="+①②⓪②⑤⑤⑤⓪①⓪②"',
    'callerId="+١٢٠٢٥٥٥٠١٠٢"',
    'callerid="+12025550199"',
    'CALLERID="+12025550199"',
    'x:callerId="+12025550199"',
    'callReason="From +1 202 555 0102"',
  ]
  for (const attribute of own) assert.equal(inside(`<Dial ${attribute}>1</Dial>`), `<Dial callerId="${PROXY}">1</Dial>`)
  for (const chosen of [OTHER, PROXY, 'client:alice', '+442079460102', 'anonymous', '+1 202 555 0103']) {
    const dial = `<Dial callerId="${chosen}" ringTone="uk" timeLimit="60">1</Dial>`
    assert.equal(inside(dial), dial)
  }
})

test('the caller is recognised in whatever form their own address has', () => {
  const becomes = (caller: string, callerId: string) =>
    inside(`<Dial callerId="${callerId}">1</Dial>`, { caller }) === `<Dial callerId="${PROXY}">1</Dial>`
  const same: [caller: string, callerId: string][] = [
    ['+442079460102', '020 7946 0102'],
    ['+442079460102', '+44 (0)20 7946 0102'],
    ['sip:+12025550102@sbc.example', '2025550102'],
    ['client:alice', 'Alice'],
    ['sip:alice@sbc.example', 'client:alice'],
    ['12345', '+12345'],
    ['', OTHER],
  ]
  for (const [caller, callerId] of same) assert.ok(becomes(caller, callerId), `${caller} shown as ${callerId}`)
  const different: [caller: string, callerId: string][] = [
    ['12345', OTHER],
    ['12345', '+12025512345'],
    ['client:alice', 'client:bob'],
    ['+442079460102', CALLER],
  ]
  for (const [caller, callerId] of different) assert.ok(!becomes(caller, callerId), `${caller} is not ${callerId}`)
})

test('without a dialled number to show, nothing is handed on', () => {
  assert.throws(() => inside('<Dial>1</Dial>', { caller_id: '' }), { code: 'ERR_ASSERTION' })
})

const DOCUMENT = `${VIA}document-POST-https://app.example`
const TELL = `${VIA}tell-POST-https://app.example`
const ITSELF = `${DOCUMENT}/proxy/fallback?x=1`

const REWRITTEN: [what: string, given: string, expected: string][] = [
  ['a Redirect is resolved', '<Redirect> ../b </Redirect>', `<Redirect method="POST">${DOCUMENT}/b</Redirect>`],
  ['an empty one is the document', '<Redirect/>', `<Redirect method="POST">${ITSELF}</Redirect>`],
  [
    'its method is for the customer',
    '<Redirect method="get">/b</Redirect>',
    `<Redirect method="POST">${VIA}document-GET-https://app.example/b</Redirect>`,
  ],
  [
    'an ingress stays one',
    '<Redirect method="GET">https://hooks.example/ingress/1</Redirect>',
    `<Redirect method="POST">${INGRESS}</Redirect>`,
  ],
  ['also as an action', '<Enqueue action="https://mask.example/ingress"/>', `<Enqueue action="${INGRESS}"/>`],
  [
    'another host',
    '<Redirect>//other.example/x</Redirect>',
    `<Redirect method="POST">${VIA}document-POST-https://other.example/x</Redirect>`,
  ],
  [
    'Dial and its nouns',
    `<Dial callerId="${OTHER}" action="/a" method="GET" referUrl="/r" referMethod="GET" recordingStatusCallback="/s"
      recordingStatusCallbackMethod="GET"><Number url="/w" method="GET" statusCallback="/t" statusCallbackEvent="ringing">1</Number></Dial>`,
    `<Dial callerId="${OTHER}" action="${VIA}document-GET-https://app.example/a" method="POST" ` +
      `referUrl="${VIA}document-GET-https://app.example/r" referMethod="POST" ` +
      `recordingStatusCallback="${VIA}tell-GET-https://app.example/s" recordingStatusCallbackMethod="POST">` +
      `<Number url="${VIA}document-GET-https://app.example/w" method="POST" statusCallback="${TELL}/t" ` +
      'statusCallbackEvent="ringing">1</Number></Dial>',
  ],
  [
    'an empty action of Dial is none',
    `<Dial action="" callerId="${OTHER}">1</Dial>`,
    `<Dial callerId="${OTHER}">1</Dial>`,
  ],
  [
    'a Gather without action goes on to its document',
    '<Gather method="GET"/>',
    `<Gather method="POST" action="${ITSELF.replace('POST', 'GET')}"/>`,
  ],
  [
    'a Gather with one',
    '<Gather action="/g" partialResultCallback="/p"/>',
    `<Gather action="${DOCUMENT}/g" partialResultCallback="${TELL}/p"/>`,
  ],
  ['a Gather with a bad one', '<Gather action="javascript:x"/>', `<Gather action="${ITSELF}"/>`],
  [
    'a Record with an empty one',
    '<Record action="" transcribeCallback="/t"/>',
    `<Record action="${ITSELF}" transcribeCallback="${TELL}/t"/>`,
  ],
  [
    'silence while waiting',
    '<Enqueue waitUrl="" waitUrlMethod="GET">q</Enqueue>',
    '<Enqueue waitUrl="" waitUrlMethod="GET">q</Enqueue>',
  ],
  [
    'music while waiting',
    '<Enqueue waitUrl="w" waitUrlMethod="GET">q</Enqueue>',
    `<Enqueue waitUrl="${VIA}document-GET-https://app.example/proxy/w" waitUrlMethod="POST">q</Enqueue>`,
  ],
  [
    'music of a conference',
    '<Conference waitUrl="/w" waitMethod="GET" eventCallbackUrl="/e">room</Conference>',
    `<Conference waitUrl="${VIA}document-GET-https://app.example/w" waitMethod="POST" eventCallbackUrl="${TELL}/e">room</Conference>`,
  ],
  [
    'names never heard of',
    '<Dance stepUrl="/s" stepMethod="GET" STATUSCALLBACK="/c" x:Action="/a" paymentMethod="card" curly="/u"/>',
    `<Dance stepUrl="${VIA}document-GET-https://app.example/s" stepMethod="POST" STATUSCALLBACK="${TELL}/c" ` +
      `x:Action="${DOCUMENT}/a" paymentMethod="card" curly="/u"/>`,
  ],
  [
    'a socket is no request',
    '<Connect action="/a"><Stream url="wss://app.example/s" statusCallback="/c"/></Connect><Start><Stream url="/s"/></Start>',
    `<Connect action="${DOCUMENT}/a"><Stream url="wss://app.example/s" statusCallback="${TELL}/c"/></Connect><Start><Stream/></Start>`,
  ],
  [
    'addresses that cannot be requested',
    '<Number url="ftp://x/" statusCallback="http://" method="GET">1</Number>',
    '<Number method="GET">1</Number>',
  ],
  [
    'an ingress is told nothing',
    '<Number statusCallback="https://mask.example/ingress">1</Number>',
    '<Number>1</Number>',
  ],
  [
    'Play is resolved only',
    '<Play loop="2"> a.mp3 </Play><Play digits="1w2"/><Play>javascript:x</Play><Play>http://cdn.example/b</Play>',
    '<Play loop="2">https://app.example/proxy/a.mp3</Play><Play digits="1w2"/><Play>http://cdn.example/b</Play>',
  ],
  [
    'a text message is never from the caller',
    `<Sms from="${CALLER}" to="${OTHER}" statusCallback="/s">I am ${CALLER}</Sms><Message from="${OTHER}"><Body>x</Body><Media>/p</Media></Message>`,
    `<Sms from="${PROXY}" to="${OTHER}" statusCallback="${TELL}/s">I am ${CALLER}</Sms><Message from="${OTHER}"><Body>x</Body><Media>https://app.example/p</Media></Message>`,
  ],
  ['a Refer is left out', '<Refer action="/a"><Sip>sip:a@b.example</Sip></Refer><Hangup/>', '<Hangup/>'],
  [
    'comments and instructions vanish and speech keeps its order',
    `<Say voice="x"><!-- no -->Dear ${CALLER}, <break time="1s"/> hello <?pi x?><emphasis>you</emphasis>!<![CDATA[ <b>]]></Say>`,
    `<Say voice="x">Dear ${CALLER}, <break time="1s"/> hello <emphasis>you</emphasis>! &lt;b&gt;</Say>`,
  ],
  [
    'other spellings of what we rest on',
    '<dial>1</dial><DIAL/><x:Dial/><redirect>/x</redirect><sip/><Pause/>',
    '<Pause/>',
  ],
]

test('each address is ours and everything else is as it was', () => {
  for (const [what, given, expected] of REWRITTEN) assert.equal(inside(given), expected, what)
})

test('what is sent to a SIP address or to an application never holds the number of the caller', () => {
  const held = [
    '<Sip>sip:a@b.example?X-From=%2B12025550102</Sip>',
    '<Sip>sip:2025550102@b.example</Sip>',
    '<Sip>sip:a@b.example?X=%32025550102</Sip>',
    `<Sip username="${CALLER}">sip:a@b.example</Sip>`,
    `<Sip>sip:a@b.example<x>?X=${CALLER}</x></Sip>`,
    `<Client><Parameter name="from" value="${CALLER}"/></Client>`,
  ]
  for (const noun of held) {
    const { twiml, warnings } = passThrough(`<Response><Dial>${noun}</Dial></Response>`, options)
    assert.doesNotMatch(twiml, /\d{9}2/, noun)
    assert.match(`${warnings[0]?.reason}`, /^A (Sip|Parameter) was left out/, noun)
  }
  const kept =
    `<Dial callerId="${OTHER}"><Sip url="${DOCUMENT}/w?from=${CALLER}">sip:a@10.0.0.1?X=1</Sip></Dial>` +
    `<Connect><Stream url="wss://app.example/"><Parameter name="from" value="${CALLER}"/></Stream></Connect>`
  assert.equal(inside(kept.replace(DOCUMENT, '')), kept)
})

test('what is left out is warned of once, in few words that quote no address', () => {
  const bad = '<Play>ftp://secret.example/</Play><Number url="ftp://secret.example/"/><Refer/><dial/>'
  const { warnings } = passThrough(`<Response>${bad}${bad}</Response>`, options)
  assert.equal(warnings.length, 4)
  assert.ok(warnings.every(({ error_code, reason }) => error_code === 12200 && !reason.includes('secret')))
  const names = Array.from({ length: 50 }, (_, n) => `<V${n}${'x'.repeat(100)} url="x:"/>`).join('')
  const many = passThrough(`<Response>${names}</Response>`, options).warnings
  assert.equal(many.length, 20)
  assert.ok(many.every(({ reason }) => reason.length <= 160))
})

test('a document made with the official library is handed on', () => {
  const response = new twilio.twiml.VoiceResponse()
  const gather = response.gather({ numDigits: 1, action: '/menu', method: 'GET' })
  gather.say({ voice: 'Polly.Joanna' }, 'Press one & wait')
  const dial = response.dial({ action: '/after', record: 'record-from-answer-dual', recordingStatusCallback: '/rec' })
  dial.number({ statusCallback: '/leg', statusCallbackEvent: ['ringing', 'answered'], url: '/whisper' }, OTHER)
  response.record({ maxLength: 30 })
  response.redirect({ method: 'GET' }, 'https://hooks.example/ingress')
  assert.equal(
    passThrough(response.toString(), options).twiml,
    `${HEAD}<Response><Gather numDigits="1" action="${VIA}document-GET-https://app.example/menu" method="POST">` +
      '<Say voice="Polly.Joanna">Press one &amp; wait</Say></Gather>' +
      `<Dial action="${DOCUMENT}/after" record="record-from-answer-dual" recordingStatusCallback="${TELL}/rec" ` +
      `callerId="${PROXY}"><Number statusCallback="${TELL}/leg" statusCallbackEvent="ringing answered" ` +
      `url="${DOCUMENT}/whisper">${OTHER}</Number></Dial><Record maxLength="30" action="${ITSELF}"/>` +
      `<Redirect method="POST">${INGRESS}</Redirect></Response>`,
  )
})

const entities = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Response><Say>&b;</Say></Response>'
const HOSTILE: [what: string, document: string, code: number][] = [
  ['an external entity', '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><Response>&x;</Response>', 12100],
  ['an external DTD', '<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd"><Response/>', 12100],
  ['entities of its own', entities, 12100],
  ['ten megabytes', `<Response><Say>${'x'.repeat(10_000_000)}</Say></Response>`, 12100],
  ['depth', `<Response>${'<Say>'.repeat(1000)}${'</Say>'.repeat(1000)}</Response>`, 12100],
  ['elements', `<Response>${'<a/>'.repeat(2000)}</Response>`, 12100],
  ['growth', `<Response>${'<Gather/>'.repeat(900)}</Response>`, 12100],
  ['no Response', '<Dial>1</Dial>', 12100],
  ['nothing', '', 12100],
  ['a Redirect to no web address', '<Response><Redirect>javascript:x</Redirect></Response>', 11200],
]

test('what cannot be carried out is refused', () => {
  for (const [what, document, code] of HOSTILE) {
    const isRefusal = (error: unknown) => error instanceof TwimlError && error.code === code
    assert.throws(() => passThrough(document, options), isRefusal, what)
  }
})
