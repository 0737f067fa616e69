import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { REQUIREMENTS } from './support/asvs.ts'

// The self-assessment is only worth something while it is whole, and what it points to is there.

const root = new URL('../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const isThere = (path: string) => existsSync(new URL(path, root))

const STATES = ['met', 'n/a', 'gap']
const FILE = /`((?:(?:test|proof|src|scripts|docs)\/[\w./-]+|\w+)\.(?:ts|md|json))`/g

type Row = { number: string; level: string; asks: string; state: string; reason: string }

const readRows = (document: string): Row[] =>
  [...document.matchAll(/^\| (\d+\.\d+\.\d+) \| (.*?) \| (.*?) \| (.*?) \| ?(.*?) ?\|$/gm)].map(
    ([, number = '', level = '', asks = '', state = '', reason = '']) => ({ number, level, asks, state, reason }),
  )

const filesIn = (text: string) => [...text.matchAll(FILE)].map(([, path = '']) => path)

/** What is wrong with the assessment: one complaint for each fault. */
function findFaults(document: string): string[] {
  const rows = readRows(document)
  const numbers = rows.map(({ number }) => number)
  const missing = [...REQUIREMENTS.keys()].filter((number) => !numbers.includes(number))
  const repeated = numbers.filter((number, at) => numbers.indexOf(number) !== at)
  return [
    ...missing.map((number) => `${number} is missing`),
    ...repeated.map((number) => `${number} is there twice`),
    ...rows.flatMap(findRowFaults),
    ...findWrongFigures(document, rows),
  ]
}

function findRowFaults({ number, level, asks, state, reason }: Row): string[] {
  return [
    ...(REQUIREMENTS.get(number) === level ? [] : [`${number} is no requirement of level ${level}`]),
    ...(STATES.includes(state) && asks !== '' ? [] : [`${number} is neither met nor anything else`]),
    ...(reason.length >= 5 ? [] : [`${number} has no reason`]),
    ...(state !== 'met' || filesIn(reason).length > 0 || reason.includes('`npm run')
      ? []
      : [`${number} shows nothing`]),
    ...filesIn(reason).flatMap((path) => (isThere(path) ? [] : [`${number} names ${path}, which is not there`])),
  ]
}

function findWrongFigures(document: string, rows: Row[]): string[] {
  return ['1', '2'].flatMap((level) => {
    const ofLevel = rows.filter((row) => row.level === level)
    const counts = STATES.map((state) => ofLevel.filter((row) => row.state === state).length)
    const line = `| level ${level} | ${[...counts, ofLevel.length].join(' | ')} |`
    return document.includes(line) ? [] : [`the figures should be ${line}`]
  })
}

test('every requirement of the first two levels has its answer, and what an answer points to is there', () => {
  const document = read('docs/asvs.md')
  assert.equal(REQUIREMENTS.size, 70 + 183)
  assert.deepEqual(findFaults(document), [])
})

test('control: a requirement that is left out, answered twice, or answered with nothing is noticed', () => {
  const document = read('docs/asvs.md')
  const before = findFaults(document).length
  const line = /^\| 1\.2\.4 .*$/m
  const [row = ''] = line.exec(document) ?? []
  const changes: [what: string, changed: string][] = [
    ['left out', document.replace(`${row}\n`, '')],
    ['twice', document.replace(row, `${row}\n${row}`)],
    ['another level', document.replace(row, row.replace('| 1 |', '| 2 |'))],
    ['an unknown number', document.replace(row, `${row}\n${row.replace('1.2.4', '1.2.99')}`)],
    ['an unknown state', document.replace(row, row.replace('| met |', '| nearly |'))],
    ['no reason', document.replace(row, row.replace(/\| met \|.*$/, '| met | |'))],
    ['nothing shown', document.replace(row, row.replace(/\| met \|.*$/, '| met | we looked at it |'))],
    ['a file that is gone', document.replace(row, row.replace('hostile-input', 'gone'))],
    ['a wrong sum', document.replace(/^\| level 1 \| \d+/m, '| level 1 | 9')],
  ]
  for (const [what, changed] of changes) {
    assert.notEqual(changed, document, what)
    assert.ok(findFaults(changed).length > before, what)
  }
})

test('every file that the threat model names is there', () => {
  const faults = (document: string) => filesIn(document).filter((path) => !isThere(path))
  const document = read('docs/security.md')
  assert.ok(filesIn(document).length >= 10)
  assert.deepEqual(faults(document), [])
  assert.deepEqual(faults('as `test/gone.test.ts` shows'), ['test/gone.test.ts'])
})
