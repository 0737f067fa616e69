import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type CallRequest, runCallTwiml } from '../src/twiml/call.ts'
import type { TwimlDocument } from '../src/twiml/document.ts'
import { TwimlError } from '../src/twiml/parse.ts'
import {
  ALICE,
  application,
  BOB,
  type Documents,
  done,
  RECORDED,
  type Script,
  START,
  scriptedLeg,
  voice,
} from './support/call-leg.ts'

test('a document that cannot be had is an error, and the call is hung up', async () => {
  const answers: [string | Partial<TwimlDocument>, number][] = [
    [{ status: 500, body: '<Response/>' }, 11200],
    [{ status: 302 }, 11200],
    [{ content_type: 'application/json', body: '{}' }, 12300],
    ['<Response>', 12100],
    ['<Respond/>', 12100],
  ]
  const ways: [string, Script][] = [
    [voice((it) => it.redirect('/next')), {}],
    [voice((it) => it.gather({ action: '/next' })), { keys: ['1'] }],
    [voice((it) => it.dial({ action: '/next' }, BOB)), {}],
    [voice((it) => it.record({ action: '/next' })), { recordings: [RECORDED] }],
  ]
  const attempt = async (body: string, script: Script, documents: Documents, code: number) => {
    const { leg, done } = scriptedLeg(script)
    const running = runCallTwiml({ body, url: START }, leg, application(documents).request)
    await assert.rejects(running, (error) => error instanceof TwimlError && error.code === code)
    assert.equal(done.at(-1), 'end hangup')
  }
  for (const [body, script] of ways) {
    for (const [answer, code] of answers) await attempt(body, script, { 'POST https://app.example/next': answer }, code)
    await attempt(body.replaceAll('/next', 'ftp://app.example/next'), script, {}, 11200)
  }
  await attempt('Hello', {}, {}, 12100)
})

test('a fault of ours is not mistaken for the customer’s', async () => {
  const request: CallRequest = async () => {
    throw new TypeError('a fault')
  }
  for (const body of [voice((it) => it.redirect('/x')), voice((it) => it.dial({ action: '/x' }, BOB))]) {
    for (const script of [{}, { hangsUpDuring: 'dial' }]) {
      await assert.rejects(runCallTwiml({ body, url: START }, scriptedLeg(script).leg, request), TypeError)
    }
  }
})

test('documents that lead in circles, and those that never tire, come to an end', async () => {
  const circle = voice((it) => it.redirect(''))
  const { request, asked } = application({ [`POST ${START}`]: circle })
  await assert.rejects(runCallTwiml({ body: circle, url: START }, scriptedLeg().leg, request), {
    code: 11200,
    message: 'The TwiML asks for more than 50 documents.',
  })
  assert.equal(asked.length, 50)

  const chatter = (count: number) => voice((it) => Array.from({ length: count }, () => it.say({ loop: 0 }, ALICE)))
  assert.equal((await done(chatter(10))).length, 10_002)
  const tireless = scriptedLeg()
  await assert.rejects(runCallTwiml({ body: chatter(11), url: START }, tireless.leg, request), {
    code: 12100,
    message: 'The TwiML does more than 10000 things in one call.',
  })
  assert.deepEqual([tireless.done.length, tireless.done.at(-1)], [10_002, 'end hangup'])

  const patience = voice((it) => [...Array.from({ length: 300 }, () => it.pause()), it.redirect('')])
  const patient = application({ [`POST ${START}`]: patience })
  await assert.rejects(runCallTwiml({ body: patience, url: START }, scriptedLeg().leg, patient.request), {
    code: 12100,
  })
})

const VERBS = [
  'Say',
  'Play',
  'Pause',
  'Gather',
  'Dial',
  'Record',
  'Redirect',
  'Hangup',
  'Reject',
  'Number',
  'Sip',
  'Pay',
]
const ATTRIBUTES = [
  ...['loop', 'digits', 'length', 'input', 'numDigits', 'finishOnKey', 'timeout', 'action', 'method', 'url', 'reason'],
  ...['actionOnEmptyResult', 'answerOnBridge', 'record', 'statusCallback', 'statusCallbackEvent', 'maxLength', 'foo'],
]
const VALUES = [
  '',
  '0',
  '1',
  '20',
  '-1',
  '1e9',
  '#',
  'true',
  'GET',
  'speech',
  'completed x',
  'busy',
  '/a',
  'ftp://a',
  BOB,
]

type Node = { name: string; attributes: Record<string, string>; text: string; children: Node[] }
const nodes = (children: fc.Arbitrary<Node[]>): fc.Arbitrary<Node> =>
  fc.record({
    name: fc.constantFrom(...VERBS),
    attributes: fc.dictionary(fc.constantFrom(...ATTRIBUTES), fc.constantFrom(...VALUES), { maxKeys: 4 }),
    text: fc.constantFrom('', 'Hello', '/a', 'x y', BOB),
    children,
  })
const leaf = nodes(fc.constant([]))
const node = nodes(fc.array(nodes(fc.array(leaf, { maxLength: 2 })), { maxLength: 3 }))
const document = fc.array(node, { maxLength: 8 }).map((nodes) =>
  voice((response) => {
    type Element = { addText: (text: string) => void; addChild: (name: string, attributes: object) => Element }
    const add = (parent: Element, { name, attributes, text, children }: Node) => {
      const element = parent.addChild(name, attributes)
      if (text !== '') element.addText(text)
      for (const child of children) add(element, child)
    }
    for (const each of nodes) add(response as unknown as Element, each)
  }),
)
const script: fc.Arbitrary<Script> = fc.record({
  keys: fc.array(fc.constantFrom('', '1', '99'), { maxLength: 60 }),
  dials: fc.array(fc.record({ status: fc.constantFrom('completed', 'busy', 'no-answer', 'failed', 'canceled') })),
  recordings: fc.array(fc.constantFrom(undefined, RECORDED), { maxLength: 60 }),
  hangsUpDuring: fc.oneof(fc.constant(undefined), fc.nat({ max: 30 })),
})

/** Carries a call out whose requests are answered by turns, and checks what holds of every call. */
async function check(first: string, answers: Partial<TwimlDocument>[], callerScript: Script, calleeScript: Script) {
  const callee = scriptedLeg(calleeScript)
  const { leg, done } = scriptedLeg({ ...callerScript, callee })
  let [asked, askedAfterEnd] = [0, 0]
  const request: CallRequest = async () => {
    if (leg.hasEnded) askedAfterEnd++
    return { status: 200, content_type: 'text/xml', body: '', ...answers[asked++ % answers.length] }
  }
  const code = await runCallTwiml({ body: first, url: START }, leg, request).then(
    ({ warnings }) => {
      assert.ok(warnings.length <= 20)
      return undefined
    },
    (error) => {
      if (!(error instanceof TwimlError)) throw error
      return error.code
    },
  )
  assert.equal(leg.hasEnded, true)
  assert.ok(asked <= 50 && askedAfterEnd <= 1, `${asked} documents, ${askedAfterEnd} of them after the end`)
  assert.ok(done.length <= 10_002 && callee.done.length <= 10_002)
  return { code, asked, did: new Set(done.map((what) => what.split(' ', 1)[0])) }
}

test('any call that is made of these verbs ends, and nothing is done after that', async () => {
  const seen = new Set<unknown>()
  const property = fc.asyncProperty(
    fc.array(document, { minLength: 2 }),
    script,
    script,
    async (bodies, one, other) => {
      const [first = '', ...rest] = bodies
      const { code, did } = await check(
        first,
        rest.map((body) => ({ body })),
        one,
        other,
      )
      for (const each of [code, ...did]) seen.add(each)
    },
  )
  await fc.assert(property, { numRuns: 500 })
  // Without these the property would say little.
  for (const each of ['say', 'play', 'pause', 'gather', 'dial', 'record', 'end', undefined, 11200]) {
    assert.ok(seen.has(each), `no call came to ${each}`)
  }
})

test('a hostile document is a TwimlError or a call that ends', async () => {
  const noise = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('<', '>', '"', '&', ']]>', '<!--', '<?', 'xmlns:'),
  )
  const mutilated = fc.tuple(document, fc.nat(), fc.nat({ max: 40 }), noise).map(([text, at, length, piece]) => {
    const start = at % text.length
    return text.slice(0, start) + piece + text.slice(start + length)
  })
  const named = fc
    .tuple(fc.constantFrom('constructor', '__proto__', 'hasOwnProperty', 'x:Say', 'Say'), fc.constantFrom(...VERBS))
    .map(
      ([name, verb]) =>
        `<Response><${name} ${name}="1"/><${verb} __proto__="/a" constructor="2"><${name}/></${verb}></Response>`,
    )
  const body = fc.oneof(fc.string({ unit: 'binary' }), mutilated, named)
  const answer: fc.Arbitrary<Partial<TwimlDocument>> = fc.record({
    status: fc.constantFrom(200, 200, 204, 301, 500, Number.NaN),
    content_type: fc.constantFrom('text/xml', 'application/xml; charset=x', '', 'text/plain'),
    body,
  })
  const codes = new Set<unknown>()
  const property = fc.asyncProperty(body, fc.array(answer, { minLength: 1 }), script, async (first, answers, each) => {
    codes.add((await check(first, answers, each, each)).code)
  })
  await fc.assert(property, { numRuns: 1_000 })
  assert.ok(codes.has(12100) && codes.has(undefined))
})
