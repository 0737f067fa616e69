import { type ChildProcess, fork } from 'node:child_process'
import type { Scope } from '../proof/support/scope.ts'
import { cleanEnv } from '../test/support/cli.ts'

/** One of `bench/programs` as a process of its own, and how to talk to it. */
export type Child<Ready> = {
  pid: number
  /** What it said when it had started. */
  ready: Ready
  /** Asks it for something; fails when it does, or ends. */
  ask: <Answer>(command: string, parameters?: object) => Promise<Answer>
  /** Before its time. */
  stop: () => Promise<void>
}

type Message = { id: number; answer?: unknown; problem?: string }

const STOP_LIMIT_MS = 5_000

export async function startChild<Ready>(scope: Scope, program: string, options: object): Promise<Child<Ready>> {
  const child = fork(program, [], { execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: cleanEnv({}) })
  const waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>()
  let asked = 0
  const ask = <Answer>(command: string, parameters: object = {}) =>
    new Promise<Answer>((resolve, reject) => {
      const id = asked++
      waiting.set(id, { resolve, reject })
      child.send({ id, command, parameters })
    })
  child.on('message', ({ id, answer, problem }: Message) => {
    const asker = waiting.get(id)
    waiting.delete(id)
    if (problem === undefined) asker?.resolve(answer as never)
    else asker?.reject(new Error(problem))
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.once('exit', (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${program} ended with ${signal ?? code}`))
  })
  scope.after(() => stop(child, ended))
  const ready = await ask<Ready>('start', options)
  return { pid: child.pid ?? 0, ready, ask, stop: () => stop(child, ended) }
}

async function stop(child: ChildProcess, ended: Promise<void>) {
  if (child.exitCode !== null || child.signalCode !== null) return
  if (child.connected) child.disconnect()
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
  await ended
  clearTimeout(timer)
}
