import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { cleanEnv, type Env } from '../../test/support/cli.ts'
import type { Scope } from './scope.ts'

export type KillableServer = {
  pid: number
  port: number
  /** From the start of the process until readiness answered 200. */
  ready_ms: number
  /** How much of that it waited for a processor which others had. */
  waited_ms: number
  /** The last lines of its log. */
  lines: string[]
  isOver: () => boolean
  /** Resolves with the exit status, which is null after a signal. */
  ended: Promise<number | null>
  signal: (name: NodeJS.Signals) => void
}

const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 20_000
const LINES = 40

/** Given as it is, since nothing translates what is loaded before a compiled program. */
const CHILD = `data:text/javascript,${encodeURIComponent(readFileSync(new URL('./child.ts', import.meta.url), 'utf8'))}`

export type KillableOptions = { cli: string; port: number; env: Env; clock_skew_ms?: number }

/** `maskline serve` on a port of its own, to be killed, stopped and started again. Resolves when it is ready. */
export async function startKillable(
  scope: Scope,
  { cli, port, env, clock_skew_ms = 0 }: KillableOptions,
): Promise<KillableServer> {
  const begun = performance.now()
  const child = spawn(process.execPath, ['--import', CHILD, cli, 'serve'], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: cleanEnv({
      MASKLINE_RATE_LIMIT: '0',
      MASKLINE_FLOOD_LIMIT: '0',
      MASKLINE_REPEAT_LIMIT: '0',
      ...env,
      MASKLINE_PORT: String(port),
      PROOF_CLOCK_SKEW_MS: String(clock_skew_ms),
    }),
  })
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  scope.after(() => end(child, ended, isOver))
  const lines: string[] = []
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    lines.push(...chunk.split('\n').filter(Boolean))
    lines.splice(0, lines.length - LINES)
  })
  while ((await probe(port, 'ready')) !== 200) {
    const waited = performance.now() - begun
    if (isOver() || waited > START_LIMIT_MS) throw new Error(`The server did not start:\n${lines.join('\n')}`)
    await delay(20)
  }
  const signal = (name: NodeJS.Signals) => void child.kill(name)
  const ready_ms = performance.now() - begun
  return { pid: child.pid ?? 0, port, ready_ms, waited_ms: waitedFor(child), lines, isOver, ended, signal }
}

/** By the kernel's count, where there is one: a machine shared with others says little about a start. */
function waitedFor({ pid }: ChildProcess): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

async function end(child: ChildProcess, ended: Promise<unknown>, isOver: () => boolean) {
  if (isOver()) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => isOver() || child.kill('SIGKILL'), STOP_LIMIT_MS)
  await ended
  clearTimeout(timer)
}

/** What a probe answers; undefined when nobody does, or not within its time. */
export async function probe(port: number, what: 'ready' | 'live', limit_ms = 5_000): Promise<number | undefined> {
  try {
    const signal = AbortSignal.timeout(limit_ms)
    const { statusCode, body } = await request(`http://127.0.0.1:${port}/health/${what}`, { signal, reset: true })
    await body.dump()
    return statusCode
  } catch {
    return undefined
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address ? address.port : 0
}
