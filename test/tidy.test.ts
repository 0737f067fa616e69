import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as rules from './support/tidy-rules.ts'

// What the formatter and the compiler do not check. Each rule is also fed something bad, and has to notice.

const root = fileURLToPath(new URL('..', import.meta.url))
const MADE = /(^|\/)(node_modules|dist|data|\.git|\.cache|\.venv|target|__pycache__)(\/|$)|\.(log|tgz|png|ico|woff2)$/

const read = (path: string): rules.SourceFile => ({ path, text: readFileSync(join(root, path), 'utf8') })

function list(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (MADE.test(path)) return []
    return entry.isDirectory() ? list(path) : entry.isFile() ? [path] : []
  })
}

const files = list('').map(read)
const code = files.filter(({ path }) => /^(src|test|scripts|console\/src)\/.*\.tsx?$/.test(path))
const src = code.filter(({ path }) => path.startsWith('src/'))
const shipped = code.filter(({ path }) => /^(console\/)?src\//.test(path))
const tests = code.filter(({ path }) => path.startsWith('test/'))

/** A file made up for a control. */
const bad = (path: string, ...lines: string[]) => [{ path, text: `${lines.join('\n')}\n` }]

test('imports in src/ point down', () => {
  assert.deepEqual(rules.findUpwardImports(src), [])

  const wrong = [
    ['src/db/open.ts', '../core/sid.ts'],
    ['src/core/relay.ts', '../http/context.ts'],
    ['src/core/relay.ts', '../db/open.ts'],
    ['src/twiml/parse.ts', '../callbacks/post.ts'],
    ['src/http/server.ts', '../jobs/worker.ts'],
    ['src/jobs/sweep.ts', '../carriers/twilio/adapter.ts'],
    ['src/carriers/twilio/api.ts', '../simulator/network.ts'],
    ['src/carriers/twilio/api.ts', '../../callbacks/post.ts'],
    ['src/http/server.ts', '../config.ts'],
    ['src/serve.ts', './cli/output.ts'],
    ['src/cli.ts', './carriers/twilio/adapter.ts'],
    ['src/config.ts', './core/accounts.ts'],
    ['src/elsewhere/a.ts', './b.ts'],
  ] as const
  for (const [from, to] of wrong) {
    assert.equal(rules.findUpwardImports(bad(from, `import { x } from '${to}'`)).length, 1, `${from} → ${to}`)
  }
  const spread = bad('src/core/relay.ts', 'import {', '  type Database,', '  openDatabase,', "} from '../db/open.ts'")
  assert.equal(rules.findUpwardImports(spread).length, 1)
  assert.equal(rules.findUpwardImports(bad('src/core/relay.ts', "await import('../db/open.ts')")).length, 1)
  assert.deepEqual(rules.findUpwardImports(bad('src/core/a.ts', "import type { D } from '../db/open.ts'")), [])
})

test('no file imports itself in a circle', () => {
  assert.deepEqual(rules.findCycles(code), [])
  const circle = [
    ...bad('src/core/a.ts', "import { b } from './b.ts'"),
    ...bad('src/core/b.ts', "export * from './c.ts'"),
    ...bad('src/core/c.ts', "import './a.ts'"),
  ]
  assert.deepEqual(rules.findCycles(circle), ['src/core/a.ts → src/core/b.ts → src/core/c.ts → src/core/a.ts'])
})

test('only src/config.ts reads the environment', () => {
  assert.deepEqual(rules.findEnvironmentReaders(src.filter(({ path }) => path !== 'src/config.ts')), [])
  assert.equal(rules.findEnvironmentReaders(src.filter(({ path }) => path === 'src/config.ts')).length, 1)
  for (const line of ['const { env } = process.env', "process['env'].A", "import { env } from 'node:process'"]) {
    assert.equal(rules.findEnvironmentReaders(bad('src/a.ts', line)).length, 1, line)
  }
})

test('a file has at most 400 lines', () => {
  assert.deepEqual(rules.findLongFiles(code, 400), [])
  assert.equal(rules.findLongFiles(bad('src/a.ts', ...Array(401).fill('')), 400).length, 1)
  assert.deepEqual(rules.findLongFiles(bad('src/a.ts', ...Array(400).fill('')), 400), [])
})

test('a function has at most 70 lines', () => {
  assert.deepEqual(rules.findLongFunctions(code, 70), [])
  const body = (count: number, indent = '  ') => Array(count).fill(`${indent}step()`)
  const heads: [string[], string][] = [
    [['export async function f(a: string): Promise<void> {'], '}'],
    [['const f = async (a: string) => {'], '}'],
    [['const f = () => ({'], '})'],
    [['export function f(', '  a: string,', '): string {'], '}'],
    [["test('it', async (t) => {"], '})'],
  ]
  for (const [head, end] of heads) {
    const fits = 70 - head.length - 1
    assert.deepEqual(rules.findLongFunctions(bad('src/a.ts', ...head, ...body(fits), end), 70), [], head.join(' '))
    assert.equal(
      rules.findLongFunctions(bad('src/a.ts', ...head, ...body(fits + 1), end), 70).length,
      1,
      head.join(' '),
    )
  }
  const method = ['const o = {', '  async send(message) {', ...body(70, '    '), '  },', '}']
  assert.equal(rules.findLongFunctions(bad('src/a.ts', ...method), 70).length, 1)
})

test('names say what a thing is', () => {
  assert.deepEqual(rules.findForbiddenNames(code.filter(({ path }) => !/\/tidy(-rules|\.test)\.ts$/.test(path))), [])
  for (const word of ['SessionManager', 'DateHelper', 'CarrierImpl', 'sessionDto']) {
    assert.equal(rules.findForbiddenNames(bad('src/a.ts', `const x = new ${word}()`)).length, 1, word)
  }
  for (const path of ['src/core/utils.ts', 'src/index.ts']) {
    assert.equal(rules.findForbiddenNames(bad(path, '')).length, 1, path)
  }
})

test('what is left to do has an issue number', () => {
  assert.deepEqual(rules.findLooseEnds(code.filter(({ path }) => !/\/tidy(-rules|\.test)\.ts$/.test(path))), [])
  assert.equal(rules.findLooseEnds(bad('src/a.ts', '// TODO: later')).length, 1)
  assert.equal(rules.findLooseEnds(bad('src/a.ts', '/* FIXME */')).length, 1)
  assert.deepEqual(rules.findLooseEnds(bad('src/a.ts', '// TODO(#12): later')), [])
})

test('no test skips itself or others', () => {
  assert.deepEqual(rules.findSkippedTests(tests.filter(({ path }) => !/\/tidy(-rules|\.test)\.ts$/.test(path))), [])
  for (const line of ["test.skip('a')", "test.only('a')", "t.todo('a')", "test('a', { skip: true })", 'skip: !root']) {
    assert.equal(rules.findSkippedTests(bad('test/a.test.ts', line)).length, 1, line)
  }
})

test('no type of what is shipped is any', () => {
  assert.deepEqual(rules.findAny(shipped), [])
  for (const line of ['let a: any', 'f(a as any)', 'type A = Map<string, any>', 'a: any[]', 'x: string | any']) {
    assert.equal(rules.findAny(bad('src/a.ts', line)).length, 1, line)
  }
})

test('every document can be reached from the README, and links lead somewhere', () => {
  const documents = files.filter(({ path }) => path.endsWith('.md'))
  const entrances = documents.filter(({ path }) => path === 'README.md' || path === 'docs/architecture.md')
  const inDocs = documents.filter(({ path }) => path.startsWith('docs/'))
  assert.deepEqual(rules.findUnlinkedDocuments(inDocs, entrances), [])
  assert.deepEqual(
    rules.findBrokenLinks(documents, (path) => existsSync(join(root, path))),
    [],
  )

  const lonely = bad('docs/lonely.md', 'See [that](gone.md) and [this](https://example.com).')
  assert.equal(rules.findUnlinkedDocuments(lonely, entrances).length, 1)
  assert.deepEqual(
    rules.findBrokenLinks(lonely, () => false),
    ['docs/lonely.md links to docs/gone.md, which is not there'],
  )
})

test('no file names a package registry or a path of one machine', () => {
  const registry = new URL(execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim()).host
  const others = files.filter(({ path }) => !/\/tidy(-rules|\.test)\.ts$/.test(path))
  assert.deepEqual(rules.findForeignAddresses(others, registry), [])
  const lines = [
    '"resolved": "https://registry.example.com/a.tgz"',
    "read('/home/a')",
    "read('/root/a')",
    'https://packages.example/a',
  ]
  for (const line of lines) {
    assert.equal(rules.findForeignAddresses(bad('a', line), 'packages.example').length, 1, line)
  }
})
