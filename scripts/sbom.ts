import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Lock, type LockEntry, nameOf, resolveIn, runtimeEntries } from './lock-file.ts'

// Writes what the program is made of, from the lock file, as CycloneDX 1.6: `npm run sbom`, or `npm run sbom -- FILE`.
// The build puts it into the package.
// `npm sbom` would do, but stops at 1.5 and calls the program after the folder it lies in.

const purlOf = (name: string, version: string) => `pkg:npm/${name.replace('@', '%40')}@${version}`
const refOf = (path: string, { version }: LockEntry) => purlOf(nameOf(path), version ?? '')

/** The packages that run, with their digests and licences, and which of them needs which. The same for the same lock. */
export function describePackages(manifest: { name: string; version: string; license: string }, lock: Lock) {
  const entries = runtimeEntries(lock)
  const self = purlOf(manifest.name, manifest.version)
  // A package may lie in several places in one version; it is one component.
  const places = new Map<string, [string, LockEntry][]>()
  for (const [path, entry] of entries) {
    const ref = refOf(path, entry)
    places.set(ref, [...(places.get(ref) ?? []), [path, entry]])
  }
  const needs = ([path, entry]: [string, LockEntry]) =>
    Object.keys({ ...entry.dependencies, ...entry.optionalDependencies }).flatMap((name) => {
      const found = resolveIn(lock, path, name)
      return found ? [refOf(found, lock.packages[found] ?? {})] : []
    })
  const unique = (refs: string[]) => [...new Set(refs)].sort()

  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify([manifest, entries]))}`,
    version: 1,
    metadata: {
      lifecycles: [{ phase: 'pre-build' }],
      component: {
        type: 'application',
        'bom-ref': self,
        name: manifest.name,
        version: manifest.version,
        purl: self,
        licenses: [{ license: { id: manifest.license } }],
      },
    },
    components: [...places].map(([ref, [place]]) => describe(ref, ...(place as [string, LockEntry]))),
    dependencies: [
      { ref: self, dependsOn: unique(['', 'console'].flatMap((path) => needs([path, lock.packages[path] ?? {}]))) },
      ...[...places].map(([ref, where]) => ({ ref, dependsOn: unique(where.flatMap(needs)) })),
    ],
  }
}

function describe(ref: string, path: string, { version = '', license, integrity = '', optional }: LockEntry) {
  const [, scope, name] = /^(?:(@[^/]+)\/)?(.+)$/.exec(nameOf(path)) ?? []
  const content = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64').toString('hex')
  return {
    type: 'library',
    'bom-ref': ref,
    ...(scope ? { group: scope } : {}),
    name,
    version,
    scope: optional ? 'optional' : 'required',
    hashes: [{ alg: 'SHA-512', content }],
    licenses: license && / (OR|AND|WITH) /.test(license) ? [{ expression: license }] : [{ license: { id: license } }],
    purl: ref,
  }
}

/** Made from what is described, so that the same packages give the same document. */
function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex')
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)]
  return parts.join('-')
}

/** Returns how many packages it names. */
export function writeBill(target: string): number {
  const read = (name: string) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'))
  const document = describePackages(read('package.json'), read('package-lock.json'))
  writeFileSync(target, `${JSON.stringify(document, null, 2)}\n`)
  return document.components.length
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const target = process.argv[2] ?? 'maskline.cdx.json'
  console.log(`${target}: ${writeBill(target)} packages`)
}
