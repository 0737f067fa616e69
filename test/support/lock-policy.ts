import { foreignEntries, type Lock, type LockEntry, nameOf, runtimeEntries } from '../../scripts/lock-file.ts'

// What may be installed. Each rule says in words what breaks it.

const complain = (
  entries: [string, LockEntry][],
  isWrong: (entry: LockEntry, path: string) => boolean,
  words: string,
) => entries.flatMap(([path, entry]) => (isWrong(entry, path) ? [`${path} ${words}`] : []))

/** 64 bytes in base64, and nothing beside them: a second, weaker digest would do for who compares. */
const SHA512 = /^sha512-[A-Za-z0-9+/]{86}==$/

export const findUnpinned = (lock: Lock) =>
  complain(foreignEntries(lock), ({ integrity = '' }) => !SHA512.test(integrity), 'has no sha512')

/** Versions come from the package registry, whichever one uses. */
export function findForeignSources(lock: Lock): string[] {
  const root = lock.packages[''] ?? {}
  const wanted = Object.entries({ ...root.dependencies, ...root.devDependencies, ...root.optionalDependencies })
  return [
    ...complain(foreignEntries(lock), ({ resolved }) => resolved !== undefined, 'names where it was fetched from'),
    ...complain(
      foreignEntries(lock),
      ({ version = '' }) => !/^\d+\.\d+\.\d+(-[\w.-]+)?$/.test(version),
      'is no release',
    ),
    ...wanted.flatMap(([name, range]) => (/[:/]/.test(range) ? [`${name} is wanted from ${range}`] : [])),
  ]
}

export const findCrowd = (lock: Lock, most: number): string[] => {
  const { length } = runtimeEntries(lock)
  return length > most ? [`${length} packages run, and ${most} may`] : []
}

/** A package manager may refuse to run install scripts, so nothing that runs may need one. */
export const findInstallScripts = (lock: Lock, approved: RegExp) =>
  complain(
    runtimeEntries(lock),
    ({ hasInstallScript = false }, path) => hasInstallScript && !approved.test(path),
    'has an install script',
  )

export const findForeignLicences = (lock: Lock, allowed: string[]) =>
  complain(runtimeEntries(lock), ({ license = '' }) => !allowed.includes(license), 'has a licence that is not allowed')

/** Packages that run in two major versions and are not on the list, and what is on the list without need. */
export function findDoubles(lock: Lock, listed: Record<string, string>): string[] {
  const majors = new Map<string, Set<string>>()
  for (const [path, { version = '' }] of runtimeEntries(lock)) {
    const known = majors.get(nameOf(path)) ?? new Set()
    majors.set(nameOf(path), known.add(version.split('.')[0] ?? ''))
  }
  const doubled = [...majors].filter(([, versions]) => versions.size > 1).map(([name]) => name)
  return [
    ...doubled.filter((name) => !listed[name]).map((name) => `${name} runs in two major versions`),
    ...Object.keys(listed)
      .filter((name) => !doubled.includes(name))
      .map((name) => `${name} is listed and runs in one version`),
  ]
}
