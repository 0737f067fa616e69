/** What we read of an npm lock file, version 3. */
export type LockEntry = {
  version?: string
  resolved?: string
  integrity?: string
  link?: boolean
  dev?: boolean
  optional?: boolean
  license?: string
  hasInstallScript?: boolean
  dependencies?: Record<string, string>
  devDependencies?: Record<string, string>
  optionalDependencies?: Record<string, string>
}
export type Lock = { packages: Record<string, LockEntry> }

export const nameOf = (path: string) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)

/** Everything that is not ours, by the path it is installed at. */
export const foreignEntries = (lock: Lock) =>
  Object.entries(lock.packages).filter(([path, { link }]) => path.includes('node_modules/') && !link)

/** The packages that reach whoever uses the program: installed, or built into the console. */
export const runtimeEntries = (lock: Lock) => foreignEntries(lock).filter(([, { dev }]) => !dev)

/** Where a package at `from` finds another, as Node looks for it: in its own folder, then in each above. */
export function resolveIn(lock: Lock, from: string, name: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    if (lock.packages[path]) return path
    if (folder === '') return undefined
  }
}
