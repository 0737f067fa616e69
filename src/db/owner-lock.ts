import { spawnSync } from 'node:child_process'
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseError, errorCode } from './database-error.ts'

/**
 * Makes this process the only owner of a data folder, for as long as it lives; returns what gives the folder back. The
 * file names the process by its id and the moment it started, because ids are used again: in a container the next
 * process often has the very id of the last.
 */
export function takeOwnership(path: string): () => void {
  const mine = `${process.pid}\n${findProcess(process.pid)?.started ?? ''}\n`
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, mine)
  try {
    while (!linkIfFree(draft, path)) evictDeadOwner(path)
  } finally {
    rmSync(draft)
  }
  return () => {
    if (readIfThere(path) === mine) rmSync(path)
  }
}

/** A running process, by its name and the moment it started; a zombie counts as dead. */
export function findProcess(pid: number): { name: string; started: string } | undefined {
  if (process.platform !== 'linux') return findProcessByPs(pid)
  const stat = readIfThere(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // proc_pid_stat(5): the name stands in brackets and may itself hold brackets and spaces; the fields count from there.
  const nameEnd = stat.lastIndexOf(')')
  const fields = stat.slice(nameEnd + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  const boot = readIfThere('/proc/sys/kernel/random/boot_id')?.trim() ?? ''
  return { name: stat.slice(stat.indexOf('(') + 1, nameEnd), started: `${fields[19]} ${boot}` }
}

function findProcessByPs(pid: number) {
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (errorCode(error) === 'ESRCH') return undefined
  }
  const ps = spawnSync('ps', ['-o', 'stat=', '-o', 'lstart=', '-o', 'ucomm=', '-p', String(pid)], { encoding: 'utf8' })
  const found = /^\s*(\S+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*\S)/.exec(ps.stdout ?? '')
  if (!found) return { name: '', started: '' }
  return found[1]?.startsWith('Z') ? undefined : { name: found[3] ?? '', started: found[2] ?? '' }
}

/** The process that owns the folder and is alive. */
export function findOwner(path: string): number | undefined {
  const [pid, started] = readIfThere(path)?.split('\n') ?? []
  const owner = pid ? findProcess(Number(pid)) : undefined
  return owner && owner.started === started ? Number(pid) : undefined
}

function evictDeadOwner(path: string) {
  const content = readIfThere(path)
  if (content === undefined) return
  const pid = findOwner(path)
  if (pid !== undefined) {
    throw new DatabaseError(
      `${dirname(path)} is in use by another maskline, process ${pid}: ` +
        'stop that one first, or give this one a folder of its own with MASKLINE_DATA_DIR.',
    )
  }
  // Moved aside rather than removed: a process that came first may have put its own file here since we read this one.
  const aside = `${path}.${process.pid}.dead`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    throw error
  }
  if (readIfThere(aside) !== content) linkIfFree(aside, path)
  rmSync(aside)
}

function linkIfFree(from: string, to: string) {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false
    throw error
  }
}

/** The content of a file, or undefined when it (or, below /proc, its process) is not there. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return undefined
    throw error
  }
}
