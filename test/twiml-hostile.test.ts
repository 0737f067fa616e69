import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import { copyProgram } from '../proof/support/broken-copy.ts'
import { MAX_BYTES, parseTwiml, TwimlError } from '../src/twiml/parse.ts'
import { type PassThrough, passThrough } from '../src/twiml/pass-through.ts'

const SEED = Number(process.hrtime.bigint() % 2_147_483_647n)
const MOST_MS = 20

const options: PassThrough = {
  url: 'https://app.example/voice',
  caller_id: '+12025550180',
  caller: '+14155550130',
  via: (url) => `https://proxy.example/via?to=${encodeURIComponent(url)}`,
  ingress: () => undefined,
}
type Reader = { parseTwiml: (text: string) => unknown; passThrough: (text: string, options: PassThrough) => unknown }
const OURS: Reader = { parseTwiml, passThrough }

/** What is repeated in documents that were made to keep a parser busy, as often as there is room for it. */
const fragment = fc.constantFrom(
  ...[
    'a',
    ' ',
    '\n',
    '\r\n',
    '\t',
    ']',
    ']]',
    '-',
    '- -',
    '"',
    "'",
    '=',
    '>',
    '<',
    '&',
    ';',
    '1',
    '\u{1f600}',
    '\u0300',
    '\0',
  ],
  ...[
    '&amp;',
    '&#38;',
    '&#x26;',
    '&#x10ffff;',
    '&#0;',
    '&lol;',
    '<!---->',
    '<!-- - -->',
    '<![CDATA[]]>',
    '<![CDATA[]]]>',
    '<?a?>',
  ],
  ...[
    '<a/>',
    '<a>',
    '</a>',
    '<a></a>',
    '<a b="&lt;"/>',
    ' a="b"',
    ' a',
    '<Say>a</Say>',
    '<Dial>+12025550123</Dial>',
    '<Pause/>',
  ],
  ...[
    '<Redirect>/x</Redirect>',
    '<Play>/x</Play>',
    '<Gather action="/x"/>',
    '<Dial><Number url="/x">+1</Number></Dial>',
  ],
  ...[
    '<?xml version="1.0"?>',
    '<!DOCTYPE a>',
    '<a:b xmlns:a="c"/>',
    '<Response>',
    '</Response>',
    '+14155550130',
    'https://a.example/',
  ],
)
const document = fc
  .record({
    before: fc.constantFrom(
      '',
      '<Response>',
      '<Response',
      '<Response><!--',
      '<Response><![CDATA[',
      '<Response a="',
      '<',
    ),
    repeated: fc.array(fc.oneof({ weight: 9, arbitrary: fragment }, { weight: 1, arbitrary: fc.string() }), {
      minLength: 1,
      maxLength: 4,
    }),
    isNumbered: fc.boolean(),
    after: fc.constantFrom('', '</Response>', '/>', '--></Response>', ']]></Response>', '"/>'),
  })
  .map(({ before, repeated, isNumbered, after }) => {
    const unit = repeated.join('') || ' '
    const room = MAX_BYTES - Buffer.byteLength(before + after)
    const times = Math.floor(room / (Buffer.byteLength(unit) + (isNumbered ? 5 : 0)))
    const middle = isNumbered
      ? Array.from({ length: times }, (_, at) => unit.replace(/a/, `a${at}`)).join('')
      : unit.repeat(times)
    return before + middle + after
  })

/** The processor's time; the least of several, since others work on the machine as well. */
function costOf({ parseTwiml, passThrough }: Reader, text: string, times: number): number {
  const costs = Array.from({ length: times }, () => {
    const before = process.cpuUsage()
    try {
      parseTwiml(text)
      passThrough(text, options)
    } catch (error) {
      if (!(error instanceof Error) || error.name === 'RangeError') throw error
    }
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  })
  return Math.min(...costs)
}

test('no document of 64 KiB costs more than 20 ms, whatever is repeated in it', (t) => {
  t.diagnostic(`fast-check seed ${SEED}`)
  let worst = { ms: 0, text: '' }
  fc.assert(
    fc.property(document, (text) => {
      const ms = costOf(OURS, text, 1)
      if (ms > worst.ms) worst = { ms: costOf(OURS, text, 5), text }
      if (ms > MOST_MS) assert.ok(worst.ms <= MOST_MS, `${worst.ms} ms for ${text.slice(0, 200)}`)
    }),
    { seed: SEED, numRuns: 1_500, endOnFailure: true },
  )
  t.diagnostic(`the worst took ${worst.ms.toFixed(2)} ms: ${JSON.stringify(worst.text.slice(0, 120))}`)
})

const nested = (depth: number) => `<Response>${'<a>'.repeat(depth - 1)}${'</a>'.repeat(depth - 1)}</Response>`
const attributes = (count: number) => Array.from({ length: count }, (_, at) => ` a${at}=""`).join('')
const bomb = (entity: string) => `<!DOCTYPE Response [${entity}]><Response><Say>&a;</Say></Response>`

test('what a document may not have is refused, each by its own words', () => {
  const billion = Array.from({ length: 9 }, (_, at) => `<!ENTITY b${at} "${`&b${at + 1};`.repeat(10)}">`).join('')
  const refused: [text: string, reason: RegExp][] = [
    ['<!DOCTYPE Response><Response/>', /DOCTYPE/],
    [bomb(billion), /DOCTYPE/],
    [bomb('<!ENTITY a SYSTEM "file:///etc/passwd">'), /DOCTYPE/],
    [bomb('<!ENTITY % a SYSTEM "http://192.0.2.1/a"> %a;'), /DOCTYPE/],
    ['<Response>&a;</Response>', /not well-formed/],
    [nested(21), /deeper than 20/],
    [`<Response>${'<a/>'.repeat(1_000)}</Response>`, /more than 1000 elements/],
    [`<Response>${'a'.repeat(MAX_BYTES)}</Response>`, /64 KiB/],
    [`<Response>${'ä'.repeat(MAX_BYTES / 2)}</Response>`, /64 KiB/],
    [`<Response${attributes(10_000)}/>`, /64 KiB/],
    ['<Response a="1" a="2"/>', /not well-formed/],
    ['<Response __proto__="1" __proto__="2"/>', /not well-formed/],
  ]
  for (const [text, reason] of refused) {
    assert.throws(
      () => parseTwiml(text),
      (error) => error instanceof TwimlError && reason.test(error.message),
      text.slice(0, 80),
    )
  }
  for (const text of [nested(20), `<Response>${'<a/>'.repeat(999)}</Response>`, `<Response${attributes(5_000)}/>`]) {
    assert.equal(parseTwiml(text).name, 'Response')
  }
})

test('a document cannot reach what every object has', () => {
  const root = parseTwiml('<Response __proto__="a" constructor="b"><__proto__ toString="c">d</__proto__></Response>')
  assert.equal(({} as Record<string, unknown>).a, undefined)
  assert.equal(Object.getPrototypeOf(root.attributes), Object.prototype)
  assert.deepEqual(root.children[0]?.text, 'd')
})

test('control: without the limits a document costs as much as its sender likes, or everything', async (t) => {
  const folder = copyProgram({ after: (clean) => t.after(clean as () => void) }, [
    { file: 'twiml/parse.ts', passage: 'MAX_BYTES = 64 * 1024', becomes: 'MAX_BYTES = 2 ** 30' },
    { file: 'twiml/parse.ts', passage: 'MAX_DEPTH = 20', becomes: 'MAX_DEPTH = 1e9' },
    { file: 'twiml/parse.ts', passage: 'MAX_NODES = 1000', becomes: 'MAX_NODES = 1e9' },
  ])
  const load = (file: string) => import(pathToFileURL(join(folder, 'src/twiml', file)).href)
  const broken: Reader = { ...(await load('parse.ts')), ...(await load('pass-through.ts')) }
  assert.ok(costOf(broken, `<Response>${'<a b="&lt;"/>'.repeat(60_000)}</Response>`, 2) > MOST_MS)
  assert.throws(() => costOf(broken, nested(100_000), 1), RangeError)
})
