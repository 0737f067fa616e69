import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, lchownSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseError, errorCode } from './database-error.ts'
import { readIfThere } from './owner-lock.ts'

/** PostgreSQL refuses to run as root. `undefined` means that it runs as whoever we are. */
export type ServerUser = { name: string; uid: number; gid: number } | undefined

/**
 * Whom PostgreSQL runs as. Data that is there already is run by its owner, whatever that user is called on this machine:
 * an image whose `postgres` has another id, or a start as root after one as an ordinary user, then changes nothing.
 */
export function findServerUser(cluster: string): ServerUser {
  const we = process.getuid?.()
  const owner = statSync(cluster, { throwIfNoEntry: false })
  if (owner && we !== undefined && we !== 0 && owner.uid !== we) {
    throw new DatabaseError(
      `${cluster} belongs to user ${owner.uid}: start maskline as that user or as root, ` +
        'or give this one a folder of its own with MASKLINE_DATA_DIR.',
    )
  }
  if (we !== 0) return undefined
  if (owner && owner.uid !== 0) return { name: `user ${owner.uid}`, uid: owner.uid, gid: owner.gid }
  const user = findUser('postgres') ?? findUser('maskline') ?? makeUser() ?? findUser('nobody')
  if (user) return user
  throw new DatabaseError(
    'PostgreSQL does not run as root, and there is no user postgres, maskline or nobody to run it as: ' +
      'start maskline as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own.',
  )
}

function findUser(name: string): ServerUser {
  for (const line of (readIfThere('/etc/passwd') ?? '').split('\n')) {
    const [user, , uid, gid] = line.split(':')
    if (user === name && Number(uid) > 0 && Number(gid) >= 0) return { name, uid: Number(uid), gid: Number(gid) }
  }
  return undefined
}

function makeUser(): ServerUser {
  const about = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/bin/false']
  const made = spawnSync('useradd', [...about, 'maskline'], { timeout: 10_000 })
  if (made.status !== 0) spawnSync('adduser', ['-S', '-D', '-H', '-s', '/bin/false', 'maskline'], { timeout: 10_000 })
  return findUser('maskline')
}

/** Whether the user may read and run `path`, or read and enter it when it is a folder; access control lists aside. */
export function canReach(path: string, user: ServerUser): boolean {
  if (!existsSync(path)) return false
  if (!user) return canReachOurselves(path)
  const real = realpathSync(path)
  if (!permits(statSync(real), user, 0o5)) return false
  for (let folder = dirname(real); ; folder = dirname(folder)) {
    if (!permits(statSync(folder), user, 0o1)) return false
    if (folder === dirname(folder)) return true
  }
}

function canReachOurselves(path: string) {
  try {
    accessSync(path, constants.R_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

function permits(stats: Stats, user: NonNullable<ServerUser>, wanted: number) {
  const shift = stats.uid === user.uid ? 6 : stats.gid === user.gid ? 3 : 0
  return ((stats.mode >> shift) & wanted) === wanted
}

export function giveTo(user: NonNullable<ServerUser>, folder: string) {
  try {
    giveWhole(user, folder)
  } catch (cause) {
    throw new DatabaseError(
      `Cannot give ${folder} to ${user.name}, whom PostgreSQL runs as (${errorCode(cause)}): this root lacks root's ` +
        'rights, so start maskline as an ordinary user, or set DATABASE_URL to a PostgreSQL of your own.',
      { cause },
    )
  }
}

function giveWhole(user: NonNullable<ServerUser>, folder: string) {
  lchownSync(folder, user.uid, user.gid)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) giveWhole(user, path)
    else lchownSync(path, user.uid, user.gid)
  }
}
