import { readFileSync } from 'node:fs'
import { findProcess } from '../../src/db/owner-lock.ts'
import { postgresOf } from '../../test/support/cli.ts'

/** The PostgreSQL of a data folder with all its processes, the first of them the one the others come from. */
export function postgresProcesses(data_dir: string): number[] {
  const pid = postgresOf(data_dir)
  if (pid === undefined || !findProcess(pid)?.name.startsWith('postgres')) return []
  return [pid, ...childrenOf(pid)]
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** To all of them at once; one that ended meanwhile is none. Stopped first, so that none is made in between. */
export function signalPostgres(data_dir: string, signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): void {
  const [first, ...others] = postgresProcesses(data_dir)
  if (first === undefined) throw new Error(`there is no PostgreSQL running in ${data_dir}`)
  if (signal !== 'SIGCONT') send(first, 'SIGSTOP')
  for (const pid of new Set([...others, ...childrenOf(first)])) send(pid, signal)
  if (signal !== 'SIGSTOP') send(first, signal)
}

function send(pid: number, signal: NodeJS.Signals) {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error
  }
}

/** For the end of a scope: what a killed server left running. */
export function endPostgres(data_dir: string): void {
  if (postgresProcesses(data_dir).length > 0) signalPostgres(data_dir, 'SIGKILL')
}
