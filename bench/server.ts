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
  const pid = await startProgram(scope, {
    args: [...profiled, '--import', END_WITH_PARENT, cli, 'serve'],
    env: { ...env, MASKLINE_PORT: String(port), MASKLINE_PUBLIC_URL: url, MASKLINE_LOG_LEVEL: 'error' },
    isReady: async () => (await probe(port, 'ready')) === 200,
  })
  return { port, pid, url }
}

/** Silent, in one process, and without the headers for browsers: as fast as its command line can be told to be. */
const PRISM_FAST = ['--verboseLevel', 'silent', '--multiprocess', 'false', '--cors', 'false']

/** Prism, mocking the API of a document with the examples that stand there. */
export async function startPrism(
  scope: Scope,
  { cli, document, flags }: { cli: string; document: string; flags: 'fast' | 'usual' },
): Promise<{ port: number }> {
  const port = await freePort()
  const where = ['--host', '127.0.0.1', '--port', String(port)]
  await startProgram(scope, {
    args: ['--import', END_WITH_PARENT, cli, 'mock', document, ...where, ...(flags === 'fast' ? PRISM_FAST : [])],
    env: {},
    // It has no such path, which it says as soon as it says anything.
    isReady: async () => (await probe(port, 'ready')) === 404,
  })
  return { port }
}

type Program = { args: string[]; env: Env; isReady: () => Promise<boolean> }

async function startProgram(scope: Scope, { args, env, isReady }: Program): Promise<number> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: cleanEnv(env) })
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
  while (!(await isReady())) {
    if (isOver() || performance.now() > deadline) throw new Error(`The server did not start:\n${log}`)
    await delay(20)
  }
  return child.pid ?? 0
}
