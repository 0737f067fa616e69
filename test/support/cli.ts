import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readIfThere } from '../../src/db/owner-lock.ts'

/** The program as somebody starts it: a process of its own, whose settings are `env` and nothing of this process's. */

export type Env = Record<string, string>

export type Ended = { code: number | null; stdout: string; stderr: string }

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))

/** What to give `spawn`: the program and its arguments. */
export const commandLine = (args: string[]) => [process.execPath, '--import', import.meta.resolve('tsx'), CLI, ...args]

export const cleanEnv = (env: Env): Env => {
  const { PATH = '', HOME = '' } = process.env
  return { PATH, HOME, ...env }
}

/** Runs a command to its end. */
export function runCli(args: string[], env: Env): Promise<Ended> {
  const [program = '', ...rest] = commandLine(args)
  return new Promise((resolve) => {
    const child = execFile(program, rest, { env: cleanEnv(env), timeout: 60_000 }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    )
    child.stdin?.end()
  })
}

export type RunningCli = {
  child: ChildProcess
  /** What it has printed so far. */
  output: Ended
  /** Resolves when it has printed this; rejects when it ends without. */
  printed: (pattern: RegExp) => Promise<RegExpExecArray>
  ended: Promise<Ended>
}

export function startCli(t: TestContext, args: string[], env: Env): RunningCli {
  const [program = '', ...rest] = commandLine(args)
  const child = spawn(program, rest, { env: cleanEnv(env), stdio: ['ignore', 'pipe', 'pipe'] })
  const output: Ended = { code: null, stdout: '', stderr: '' }
  let look = () => {}
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk) => {
      output[name] += chunk
      look()
    })
  }
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code) => resolve(Object.assign(output, { code })))
  })
  t.after(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
  })
  const printed = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      look = () => {
        const found = pattern.exec(output.stdout + output.stderr)
        if (found) resolve(found)
      }
      look()
      void ended.then(() =>
        reject(new Error(`It ended without printing ${pattern}:\n${output.stdout}${output.stderr}`)),
      )
    })
  return { child, output, printed, ended }
}

/** A data folder that is gone afterwards, and with it the PostgreSQL that a killed program left running in it. */
export function dataFolder(t: { after: (clean: () => void) => void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'maskline-cli-'))
  t.after(() => {
    const pid = postgresOf(folder)
    if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  })
  return folder
}

/** The process id of the PostgreSQL in a data folder, while there is one. */
export function postgresOf(folder: string): number | undefined {
  const pid = Number(readIfThere(join(folder, 'postgres', 'postmaster.pid'))?.split('\n')[0])
  return pid > 0 ? pid : undefined
}

export function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}
