import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseError } from './database-error.ts'
import type { Binaries } from './embedded-binaries.ts'
import { canReach, giveTo, type ServerUser } from './embedded-user.ts'
import { readIfThere } from './owner-lock.ts'

/** Where the embedded PostgreSQL lives, and as whom. */
export type Place = {
  data_dir: string
  cluster: string
  user: ServerUser
  log_file: string
  password: string
  binaries: Binaries
}

const STAGE_PREFIX = 'postgres.new-'

/** Makes the cluster, once. It is built beside its place and moved there when it is whole, so a crash leaves no half. */
export async function initialiseCluster(place: Place, progress: (step: string) => void) {
  for (const name of readdirSync(place.data_dir)) {
    if (name.startsWith(STAGE_PREFIX))
      rmSync(join(place.data_dir, name), { recursive: true, force: true, maxRetries: 5 })
  }
  const version = readIfThere(join(place.cluster, 'PG_VERSION'))?.trim()
  if (version !== undefined) return prepareCluster(place, version)
  if (existsSync(place.cluster) && readdirSync(place.cluster).length > 0) {
    throw new DatabaseError(
      `${place.cluster} is not a folder of PostgreSQL's: move it away, or set MASKLINE_DATA_DIR to another folder.`,
    )
  }

  progress('initialising PostgreSQL')
  // An initdb that outlived its killed parent may still be writing, so every attempt has a folder of its own.
  const stage = join(place.data_dir, STAGE_PREFIX + randomBytes(4).toString('hex'))
  mkdirSync(stage, { mode: 0o700 })
  writeFileSync(join(stage, 'password'), `${place.password}\n`, { mode: 0o600 })
  if (place.user) giveTo(place.user, stage)
  const how = ['--username=maskline', '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--data-checksums']
  const { child, output } = await spawnAsUser(place, place.binaries.initdb, stage, (folder) => [
    `--pgdata=${folder}/data`,
    `--pwfile=${folder}/password`,
    ...how,
  ])
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  if (child.exitCode !== 0) {
    throw new DatabaseError(
      `PostgreSQL's initdb failed (${child.signalCode ?? child.exitCode}); ${place.log_file} says:\n${output()}\n` +
        'If PostgreSQL cannot run on this system, set DATABASE_URL to a PostgreSQL of your own.',
    )
  }
  renameSync(join(stage, 'data'), place.cluster)
  syncFolder(place.data_dir)
  rmSync(stage, { recursive: true })
}

function prepareCluster({ cluster, user, binaries }: Place, version: string) {
  if (version !== binaries.version.split('.')[0]) {
    throw new DatabaseError(
      `The data in ${cluster} was written by PostgreSQL ${version}, and this maskline brings ${binaries.version}: dump ` +
        'it with the version of maskline that wrote it, move the folder away, start this one and restore the dump.',
    )
  }
  // A backup that root has put back belongs to root.
  if (user && statSync(cluster).uid === 0) giveTo(user, cluster)
  // PostgreSQL refuses to start when others can read the folder, which copying and some volumes bring about.
  if ((statSync(cluster).mode & 0o077) !== 0) chmodSync(cluster, 0o700)
}

/** Starts the server on a port that is free at this moment. It may yet end at once: `output` then says why. */
export async function spawnServer(place: Place, flags: string[]) {
  const port = await findFreePort()
  const settings = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    timezone: 'UTC',
    log_timezone: 'UTC',
    log_checkpoints: 'off',
  }
  const { child, output } = await spawnAsUser(place, place.binaries.postgres, place.cluster, (folder) => [
    '-D',
    folder,
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ...flags,
  ])
  if (child.pid === undefined) throw new Error('a child process that was spawned has no id')
  // We end when our work is done, not when PostgreSQL does.
  child.unref()
  return { child, pid: child.pid, port, output }
}

/**
 * Runs one of PostgreSQL's programs on a folder, as the user. When the folder lies below one that the user may not enter
 * (all of /root, for one) the program inherits it as an open file and reaches it through /proc/self/fd, which asks for
 * no right on the folders above. The alternative, ambient CAP_DAC_OVERRIDE, would give PostgreSQL root's files.
 */
async function spawnAsUser(place: Place, program: string, folder: string, args: (folder: string) => string[]) {
  const folderFd = canReach(folder, place.user) ? undefined : openForUser(place, folder)
  const log = openSync(place.log_file, 'a', 0o600)
  const from = fstatSync(log).size
  try {
    const child: ChildProcess = spawn(program, args(folderFd === undefined ? folder : '/proc/self/fd/3'), {
      ...(place.user ? { uid: place.user.uid, gid: place.user.gid } : {}),
      ...(process.platform === 'win32' ? {} : { env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' } }),
      cwd: '/',
      // A process group of its own: Ctrl-C in the terminal is for us, and we stop PostgreSQL when our work is done.
      detached: program === place.binaries.postgres,
      stdio: ['ignore', log, log, ...(folderFd === undefined ? [] : [folderFd])],
    })
    await once(child, 'spawn')
    return { child, output: () => readTail(place.log_file, from) }
  } catch (cause) {
    throw new DatabaseError(
      `Cannot run ${program} as ${place.user?.name ?? 'this user'} (${cause}): start maskline as an ordinary user, or ` +
        'set DATABASE_URL to a PostgreSQL of your own.',
      { cause },
    )
  } finally {
    closeSync(log)
    if (folderFd !== undefined) closeSync(folderFd)
  }
}

function openForUser({ user, data_dir }: Place, folder: string) {
  if (user && process.platform === 'linux') return openSync(folder, 'r')
  throw new DatabaseError(
    `PostgreSQL runs as ${user?.name ?? 'this user'}, who may not enter ${data_dir}: set MASKLINE_DATA_DIR to a folder ` +
      'that every user may enter, such as /var/lib/maskline, or start maskline as an ordinary user.',
  )
}

function readTail(path: string, from: number) {
  const file = openSync(path, 'r')
  try {
    const size = fstatSync(file).size
    const start = Math.max(from, size - 4_000)
    const tail = Buffer.alloc(Math.max(0, size - start))
    readSync(file, tail, 0, tail.length, start)
    return tail.toString('utf8').trim()
  } finally {
    closeSync(file)
  }
}

function syncFolder(path: string) {
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  fsyncSync(folder)
  closeSync(folder)
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (typeof address !== 'object' || address === null) throw new Error('a server that listens has no address')
  return address.port
}
