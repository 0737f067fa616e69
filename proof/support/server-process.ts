import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { PROGRAM } from './broken-copy.ts'
import type { Scope } from './scope.ts'

export type ServerProcess = {
  url: string
  pid: number
  /** Lines of its log that tell of an error. */
  errors: string[]
}

export type ProcessOptions = {
  env: Record<string, string>
  /** Where the program lies; a broken copy for a control. */
  folder?: string
  clock_skew_ms?: number
  /** Is told every line of its log. */
  heard?: (line: string) => void
}

const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 15_000

/** `maskline serve` as a process of its own. Resolves when it is ready; it is stopped by its process id. */
export async function startServerProcess(scope: Scope, options: ProcessOptions): Promise<ServerProcess> {
  const { env, folder = PROGRAM, clock_skew_ms = 0, heard } = options
  const { PATH = '', HOME = '' } = process.env
  const preloaded = [import.meta.resolve('tsx'), import.meta.resolve('./child.ts')]
  const args = [...preloaded.flatMap((module) => ['--import', module]), join(folder, 'src', 'cli.ts'), 'serve']
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: {
      PATH,
      HOME,
      PROOF_CLOCK_SKEW_MS: String(clock_skew_ms),
      MASKLINE_PORT: '0',
      MASKLINE_RATE_LIMIT: '0',
      MASKLINE_FLOOD_LIMIT: '0',
      MASKLINE_REPEAT_LIMIT: '0',
      ...env,
    },
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  scope.after(() => stop(child, ended))
  const log = readLog(child, heard)
  const timer = setTimeout(() => child.kill('SIGKILL'), START_LIMIT_MS)
  const url = await Promise.race([log.ready, ended]).finally(() => clearTimeout(timer))
  if (!url || child.pid === undefined) throw new Error(`The server did not start:\n${log.lines.join('\n')}`)
  return { url, pid: child.pid, errors: log.errors }
}

async function stop(child: ChildProcess, ended: Promise<void>) {
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  if (isOver()) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => isOver() || child.kill('SIGKILL'), STOP_LIMIT_MS)
  await ended
  clearTimeout(timer)
}

/** Its lines as they come: where it can be reached, and what went wrong. */
function readLog({ stderr }: ChildProcess, heard: ProcessOptions['heard']) {
  const lines: string[] = []
  const errors: string[] = []
  const ready = new Promise<string>((resolve) => {
    let rest = ''
    stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      const read = (rest + chunk).split('\n')
      rest = read.pop() ?? ''
      for (const line of read) {
        if (lines.length < 50) lines.push(line)
        heard?.(line)
        const entry = line.startsWith('{') ? JSON.parse(line) : {}
        if (entry.msg === 'ready') resolve(entry.url)
        if (entry.level >= 50) errors.push(line)
      }
    })
  })
  return { lines, errors, ready }
}
