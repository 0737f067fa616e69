import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseTwiml, type TwimlNode } from '../src/twiml/parse.ts'
import { element, writeTwiml } from '../src/twiml/write.ts'

const HEAD = '<?xml version="1.0" encoding="UTF-8"?>'

test('a document is written as one line with the XML declaration before it', () => {
  const dial = element('Dial', { callerId: '+12025550101', timeout: undefined, record: '' }, element('Number', {}, '1'))
  assert.equal(
    writeTwiml(element('Response', {}, element('Say', {}, 'Hello ', element('break'), ' world'), undefined, dial)),
    `${HEAD}<Response><Say>Hello <break/> world</Say>` +
      '<Dial callerId="+12025550101" record=""><Number>1</Number></Dial></Response>',
  )
})

test('text and values are escaped so that they are read as they were', () => {
  const hostile = '</Say><Dial>" \' ]]> &amp; \t\r\n'
  const written = writeTwiml(element('Response', { a: hostile }, hostile))
  assert.equal(
    written,
    `${HEAD}<Response a="&lt;/Say&gt;&lt;Dial&gt;&quot; ' ]]&gt; &amp;amp; &#9;&#13;&#10;">` +
      '&lt;/Say&gt;&lt;Dial&gt;" \' ]]&gt; &amp;amp; \t&#13;\n</Response>',
  )
  assert.deepEqual(parseTwiml(written), element('Response', { a: hostile }, hostile))
})

test('what XML cannot hold is left out, and everything else stays', () => {
  const text = 'a\0b\u0008c\u000bd\u001fe\ud800f\udc00g\ufffeh\uffffi\u007f\u{1f600}\ufffd\u{10ffff}'
  const kept = 'abcdefghi\u007f\u{1f600}\ufffd\u{10ffff}'
  assert.equal(writeTwiml(element('Response', { a: text }, text)), `${HEAD}<Response a="${kept}">${kept}</Response>`)
})

test('an element keeps its text and children in step with what is inside it', () => {
  const inner = element('break', JSON.parse('{"__proto__":"x"}'))
  const node = element('Say', {}, 'a', '', 'b', inner, undefined, 'c')
  assert.deepEqual(node.content, ['ab', inner, 'c'])
  assert.equal(node.text, 'abc')
  assert.deepEqual(node.children, [inner])
  assert.equal(writeTwiml(inner), `${HEAD}<break __proto__="x"/>`)
})

const isXml = (character: string) =>
  (character >= ' ' || '\t\n\r'.includes(character)) && !/[\ufffe\uffff]/.test(character)
const text = fc.string({ unit: 'binary' }).map((made) => [...made].filter(isXml).join(''))
const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.:-]{0,8}$/)

const { tree } = fc.letrec<{ tree: TwimlNode }>((tie) => ({
  tree: fc
    .tuple(
      name,
      fc.dictionary(name, text),
      fc.array(fc.oneof({ depthSize: 'small' }, text, tie('tree')), { maxLength: 4 }),
    )
    .map(([name, attributes, content]) => element(name, { ...attributes }, ...content)),
}))

test('whatever is written is read as the same tree', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(text, tree), { maxLength: 4 }), (content) => {
      const root = element('Response', {}, ...content)
      assert.deepEqual(parseTwiml(writeTwiml(root)), root)
    }),
    { numRuns: 300 },
  )
})
