import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort, probe } from '../proof/support/killable-server.ts'
import type { Scope } from '../proof/support/scope.ts'
import { cleanEnv, type Env } from '../test/support/cli.ts'

export type BenchServer = { port: number; pid: number; url: string }

const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 30_000
const LOG_CHARACTERS = 1_000

/** It goes when whoever started it is gone, however that happened. */
const END_WITH_PARENT = 'data:text/javascript,process.on("disconnect",()=>process.exit())'

/** `maskline serve` as it is shipped, in a process of its own. That it logged errors is shown. */
export async function startBenchServer(
  scope: Scope,
  { cli, env, profile }: { cli: string; env: Env; profile: string | undefined },
): Promise<BenchServer> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const profiled = profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : []
  const child = spawn(process.execPath, [...profiled, '--import', END_WITH_PARENT, cli, 'serve'], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: cleanEnv({ ...env, MASKLINE_PORT: String(port), MASKLINE_PUBLIC_URL: url, MASKLINE_LOG_LEVEL: 'error' }),
  })
  let log = ''
  let errors = 0
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    log = (log + chunk).slice(-LOG_CHARACTERS)
    errors += chunk.split('\n').length - 1
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const isOver = () => child.exitCode !== null || child.signalCode !== null
  scope.after(async () => {
    if (isOver()) return
    child.kill('SIGTERM')
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    await ended
    clearTimeout(timer)
    if (errors > 0) console.error(`The server logged ${errors} errors, the last of which: …${log}`)
  })
  const deadline = performance.now() + START_LIMIT_MS
  while ((await probe(port, 'ready')) !== 200) {
    if (isOver() || performance.now() > deadline) throw new Error(`The server did not start:\n${log}`)
    await delay(20)
  }
  return { port, pid: child.pid ?? 0, url }
}
