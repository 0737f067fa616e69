import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TwimlDocument } from '../src/twiml/document.ts'
import { type MessageContext, runMessageTwiml } from '../src/twiml/message.ts'
import { parseTwiml, TwimlError } from '../src/twiml/parse.ts'

const START = 'https://app.example/proxy/fallback?x=1'

const context = (more: Partial<MessageContext> = {}): MessageContext => ({
  to: '+12025550101',
  from: '+12025550102',
  fetch: async () => assert.fail('no redirect was expected'),
  deadline: performance.now() + 5000,
  ...more,
})

const run = (body: string, more: Partial<MessageContext> = {}) => runMessageTwiml({ body, url: START }, context(more))

const xml = (body: string): TwimlDocument => ({ status: 200, content_type: 'text/xml; charset=utf-8', body })

test('an empty Response sends nothing', async () => {
  for (const body of ['<Response/>', '<?xml version="1.0" encoding="UTF-8"?>\n<Response>\n</Response>\n']) {
    assert.deepEqual(await run(body), { messages: [], warnings: [] })
  }
})

test('a Message goes to the sender from the dialled number unless it says otherwise', async () => {
  const { messages, warnings } = await run(`<Response>
    <Message>One &amp; &lt;two&gt; &#x1f600; <![CDATA[<three>]]></Message>
    <Message to="+12025550103" from="+12025550104"><Body>  Four  </Body></Message>
    <Message to="" from="">Five</Message>
  </Response>`)
  const [to, from] = ['+12025550102', '+12025550101']
  assert.deepEqual(messages, [
    { to, from, body: 'One & <two> \u{1f600} <three>', media_urls: [] },
    { to: '+12025550103', from: '+12025550104', body: 'Four', media_urls: [] },
    { to, from, body: 'Five', media_urls: [] },
  ])
  assert.deepEqual(warnings, [])
})

test('media addresses are absolute from the document, and what is no web address or the eleventh is left out', async () => {
  const { messages, warnings } = await run(`<Response><Message>
    <Media>/cat.jpg</Media><Media>dog.jpg</Media><Media>https://cdn.example/a.png</Media>
    <Media>file:///etc/passwd</Media><Media>data:text/plain,x</Media><Media></Media>
  </Message><Message>${'<Media>/x</Media>'.repeat(11)}</Message></Response>`)
  assert.deepEqual(messages[0]?.media_urls, [
    'https://app.example/cat.jpg',
    'https://app.example/proxy/dog.jpg',
    'https://cdn.example/a.png',
  ])
  assert.equal(messages[1]?.media_urls.length, 10)
  assert.equal(warnings.length, 2)
})

test('what is unknown is left out with a warning and the rest is done', async () => {
  const { messages, warnings } = await run(`<Response>
    <Say>Hello</Say><message>lower case</message><Message/>
    <Message action="/next">Hi<Emoji/></Message><Say>Again</Say>
  </Response>`)
  assert.deepEqual(
    messages.map(({ body }) => body),
    ['Hi'],
  )
  const reasons = warnings.map(({ reason }) => reason).join('\n')
  for (const word of ['Say', 'message', 'neither text nor media', 'Emoji', 'action'])
    assert.match(reasons, RegExp(word))
  assert.equal(warnings.length, 5)
  assert.ok(warnings.every(({ error_code }) => error_code === 12200))
})

test('a complaint quotes no number, though somebody made a name of it', async () => {
  const names = '<N12025550123/><Message>Hi<to-1.202.555.0123/></Message><٢٠٢٥٥٥٠١٢٣/>'
  const { messages, warnings } = await run(`<Response>${names}</Response>`)
  assert.equal(messages.length, 1)
  assert.equal(warnings.length, 3)
  const quoted = warnings.map(({ reason }) => reason).join('\n')
  assert.doesNotMatch(quoted, /\p{Nd}/u)
  assert.match(quoted, /NXXX.*\n.*to-X\.XXX/)
  for (const text of ['<Response><N12025550123>', '<Response><a n12025550123="" n12025550123=""/></Response>']) {
    assert.throws(
      () => parseTwiml(text),
      (error) => error instanceof TwimlError && !/2025550/.test(error.message) && /XXXX/.test(error.message),
    )
  }
})

test('one answer sends at most a hundred messages and warns at most twenty times', async () => {
  const many = await run(`<Response>${'<Message>x</Message>'.repeat(150)}</Response>`)
  assert.equal(many.messages.length, 100)
  assert.equal(many.warnings.length, 1)
  const odd = await run(`<Response>${Array.from({ length: 50 }, (_, n) => `<V${n}/>`).join('')}</Response>`)
  assert.equal(odd.warnings.length, 20)
})

test('a Redirect is relative to the document it stands in, and nothing after it runs', async () => {
  const documents: Record<string, string> = {
    'POST https://app.example/b/two':
      '<Response><Message>2</Message><Redirect method="get">three?y=2</Redirect></Response>',
    'GET https://app.example/b/three?y=2': '<Response><Message><Media>p.jpg</Media></Message></Response>',
  }
  const asked: string[] = []
  const { messages } = await run(
    '<Response><Message>1</Message><Redirect>/b/two</Redirect><Message>never</Message></Response>',
    {
      fetch: async (url, method) => {
        asked.push(`${method} ${url}`)
        return xml(documents[`${method} ${url}`]!)
      },
    },
  )
  assert.deepEqual(asked, Object.keys(documents))
  assert.deepEqual(
    messages.map(({ body, media_urls }) => body || media_urls[0]),
    ['1', '2', 'https://app.example/b/p.jpg'],
  )
})

test('redirects end after ten and at the deadline', async () => {
  let hops = 0
  const loop = '<Response><Redirect></Redirect></Response>'
  const fetch = async () => {
    hops++
    return xml(loop)
  }
  await assert.rejects(run(loop, { fetch }), { code: 11200, message: 'The TwiML redirects more than 10 times.' })
  assert.equal(hops, 10)
  await assert.rejects(run(loop, { deadline: performance.now() - 1 }), { code: 11200, message: /took too long/ })
})

test('a redirect that cannot be carried out is an error, or a warning beside the messages that stood before it', async () => {
  const redirect = '<Redirect>/next</Redirect>'
  const answers: [TwimlDocument, number][] = [
    [{ ...xml('<Response/>'), status: 500 }, 11200],
    [{ ...xml('<Response/>'), content_type: 'application/json' }, 12300],
    [xml('<Response>'), 12100],
  ]
  for (const [answer, code] of answers) {
    const fetch = async () => answer
    await assert.rejects(run(`<Response>${redirect}</Response>`, { fetch }), { code })
    const { messages, warnings } = await run(`<Response><Message>1</Message>${redirect}</Response>`, { fetch })
    assert.equal(messages.length, 1)
    assert.deepEqual(
      warnings.map(({ error_code }) => error_code),
      [code],
    )
  }
  await assert.rejects(run('<Response><Redirect>ftp://app.example/</Redirect></Response>'), { code: 11200 })
})

test('a fault of ours in fetching is not mistaken for the customer’s', async () => {
  const fetch = async () => {
    throw new TypeError('a fault')
  }
  await assert.rejects(run('<Response><Message>1</Message><Redirect>/x</Redirect></Response>', { fetch }), TypeError)
})

test('the tree has names, attributes, own text, children and the order of the two', () => {
  const root = parseTwiml(
    '\ufeff<Response a="&quot;1"><!-- no --><Message to="x">a<Body>b</Body>c<!-- no --><![CDATA[d]]></Message></Response>',
  )
  const body = { name: 'Body', attributes: {}, content: ['b'], text: 'b', children: [] }
  const message = {
    name: 'Message',
    attributes: { to: 'x' },
    content: ['a', body, 'cd'],
    text: 'acd',
    children: [body],
  }
  assert.deepEqual(root, {
    name: 'Response',
    attributes: { a: '"1' },
    content: [message],
    text: '',
    children: [message],
  })
})

const fill = (piece: string, before = '<Response>', after = '</Response>') =>
  before + piece.repeat(Math.floor((64 * 1024 - before.length - after.length) / Buffer.byteLength(piece))) + after

const laughs = Array.from({ length: 9 }, (_, n) => `<!ENTITY l${n + 1} "${`&l${n};`.repeat(10)}">`).join('')

const REFUSED: Record<string, string> = {
  'nothing at all': '',
  'plain text': 'Hello',
  JSON: '{"participantIdentifier":"+12025550103"}',
  'another root': '<response/>',
  'two roots': '<Response/><Response/>',
  'an unclosed root': '<Response>',
  'a crossed tag': '<Response><a></Response></a>',
  'a doctype': '<!DOCTYPE Response><Response/>',
  'an external entity': '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><Response>&x;</Response>',
  'an external DTD': '<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd"><Response/>',
  'a billion laughs': `<!DOCTYPE r [<!ENTITY l0 "ha">${laughs}]><Response>&l9;</Response>`,
  'an unknown entity': '<Response>&nbsp;</Response>',
  'a bare ampersand': '<Response>a & b</Response>',
  'a character that XML forbids': '<Response>&#0;</Response>',
  'a character beyond Unicode': '<Response>&#x110000;</Response>',
  'an attribute twice': '<Response a="1" a="2"/>',
  'more than 64 KiB': `${fill('é')}<!---->`,
  'more than a thousand elements': `<Response>${'<a/>'.repeat(1000)}</Response>`,
  'deeper than twenty': `<Response>${'<a>'.repeat(20)}${'</a>'.repeat(20)}</Response>`,
}

const HEAVY: Record<string, string> = {
  depth: fill('<a>'),
  elements: fill('<a/>'),
  attributes: fill('a', '<Response ', '="1"/>'),
  'many attributes': `<Response ${Array.from({ length: 6000 }, (_, n) => `a${n}=""`).join(' ')}/>`,
  entities: fill('&amp;'),
  'character references': fill('&#38;'),
  'an endless entity': fill('a', '<Response>&', ''),
  'ampersands only': fill('&'),
  'an endless comment': fill('-', '<Response><!--', ''),
  'an endless CDATA': fill(']', '<Response><![CDATA[', ''),
  'brackets in text': fill(']]'),
  'an endless tag name': fill('a', '<', ''),
  'an endless doctype': fill('[', '<!DOCTYPE ', ''),
  'an endless instruction': fill('?', '<?x ', ''),
  'line ends': fill('\r\n'),
  emoji: fill('\u{1f600}'),
  'a thousand elements with text': `<Response>${`<a>${'x'.repeat(50)}</a>`.repeat(999)}</Response>`,
}

test('what is not plain TwiML is refused with a short reason', () => {
  for (const [what, text] of Object.entries(REFUSED)) {
    assert.throws(
      () => parseTwiml(text),
      (error) => error instanceof TwimlError && error.code === 12100 && error.message.length <= 120,
      what,
    )
  }
})

test('the limits themselves are allowed', () => {
  parseTwiml(`<Response>${'<a/>'.repeat(999)}</Response>`)
  parseTwiml(`<Response>${'<a>'.repeat(19)}${'</a>'.repeat(19)}</Response>`)
  assert.equal(Buffer.byteLength(fill('x')), 64 * 1024)
  parseTwiml(fill('x'))
})

test('the heaviest documents that fit take no more than 20 ms', () => {
  const attempt = (text: string) => {
    const started = performance.now()
    try {
      parseTwiml(text)
    } catch (error) {
      assert.ok(error instanceof TwimlError)
    }
    return performance.now() - started
  }
  for (const [what, text] of Object.entries({ ...REFUSED, ...HEAVY })) {
    // The best of five: the worst would measure what else the machine does.
    const best = Math.min(...Array.from({ length: 5 }, () => attempt(text)))
    assert.ok(best <= 20, `${what} took ${best.toFixed(1)} ms`)
  }
})
