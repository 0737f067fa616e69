import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { Scope } from './scope.ts'

/** A call that was made, by the kernel's clock in seconds since 1970; and when it returned, and with what. */
export type SystemCall = { name: string; args: string; result: number; began: number; ended: number }

const CALLS = 'pwrite64,pwritev,write,writev,fsync,fdatasync'
const ATTACH_LIMIT_MS = 60_000
/** More than is ever written at once. */
const MAX_BYTES = 1 << 20

/**
 * Traces processes and those that come of them. It takes `strace` and the right to trace; where one is missing this fails,
 * and says so.
 */
export async function traceCalls(scope: Scope, pids: number[], folder: string) {
  const file = join(folder, 'trace')
  // Descriptors with their paths, bytes in hexadecimal, and every moment from one clock.
  const how = ['-f', '-ttt', '-T', '-y', '-x', '-s', String(MAX_BYTES), '-e', `trace=${CALLS}`, '-e', 'signal=none']
  const attached = pids.flatMap((pid) => ['-p', String(pid)])
  const tracer = spawn('strace', [...how, '-o', file, ...attached], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  tracer.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    said += chunk
  })
  const ended = new Promise<void>((resolve) => {
    tracer.once('close', () => resolve())
    tracer.once('error', (error) => {
      said += error.message
      resolve()
    })
  })
  const isOver = () => tracer.pid === undefined || tracer.exitCode !== null || tracer.signalCode !== null
  const stop = async () => {
    if (!isOver()) tracer.kill('SIGINT')
    await ended
  }
  scope.after(stop)
  const deadline = performance.now() + ATTACH_LIMIT_MS
  while (!pids.every((pid) => said.includes(`Process ${pid} attached`))) {
    if (isOver() || performance.now() > deadline) {
      throw new Error(`Install strace, and allow ptrace: system calls cannot be traced here. ${said}`)
    }
    await delay(20)
  }
  return {
    /** Ends the trace and gives what `read` makes of each call. */
    async stop(read: (call: SystemCall) => void): Promise<void> {
      await stop()
      await readTrace(file, read)
    },
  }
}

const LINE = /^(\d+) +(\d+\.\d+) /
const RETURN = /\) += (-?\d+)[^<]* <(\d+\.\d+)>$/
const UNFINISHED = ' <unfinished ...>'

/** Calls of several processes overlap: one that another interrupted is on two lines. */
async function readTrace(file: string, read: (call: SystemCall) => void) {
  const begun = new Map<string, { text: string; began: number }>()
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    const [head = '', pid = '', time] = LINE.exec(line) ?? []
    const rest = line.slice(head.length)
    if (rest.endsWith(UNFINISHED)) {
      begun.set(pid, { text: rest.slice(0, -UNFINISHED.length), began: Number(time) })
      continue
    }
    const first = rest.startsWith('<... ') ? begun.get(pid) : { text: '', began: Number(time) }
    const text = first && first.text + (rest.startsWith('<... ') ? rest.slice(rest.indexOf('>') + 1) : rest)
    const [tail = '', result, took] = RETURN.exec(text ?? '') ?? []
    if (!first || !text || !tail) continue
    begun.delete(pid)
    const bracket = text.indexOf('(')
    const args = text.slice(bracket + 1, -tail.length)
    const ended = first.text === '' ? first.began + Number(took) : Math.max(Number(time), first.began + Number(took))
    read({ name: text.slice(0, bracket), args, result: Number(result), began: first.began, ended })
  }
}

/** The bytes of a string as the trace writes it: all of them in hexadecimal, or all as they are but for a few. */
export function bytesOf(quoted: string): Buffer {
  const isHex = quoted.startsWith('\\x')
  return isHex ? Buffer.from(quoted.replaceAll('\\x', ''), 'hex') : Buffer.from(JSON.parse(`"${quoted}"`), 'latin1')
}
