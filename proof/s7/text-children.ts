import { fork } from 'node:child_process'
import { join } from 'node:path'
import { PROGRAM } from '../support/broken-copy.ts'
import type { ChildMessage } from './text-child.ts'
import { addOutcomes, emptyOutcome, type RoundsOptions, type TextOutcome } from './text-rounds.ts'

/** Each child has a server, carriers and phones of its own, all in one process: so many keep so many processors busy. */
const CHILDREN = 2
/** What is so small is done before another has started. */
const SMALL = 1500
/** Seeds of one child's rounds, of which each has the next. */
const SEEDS_APART = 1_000_003

type Options = RoundsOptions & { root?: string; progress: (interactions: number) => void }

/** Shared out to several processes. */
export async function runTexts({ interactions, seed, root = PROGRAM, progress }: Options): Promise<TextOutcome> {
  const children = interactions <= SMALL ? 1 : CHILDREN
  const done = Array.from({ length: children }, () => 0)
  const runs = done.map((_, at) => {
    const share = Math.floor(interactions / children) + (at < interactions % children ? 1 : 0)
    const options = { interactions: share, seed: seed + at * SEEDS_APART }
    return runChild(root, options, (made) => {
      done[at] = made
      progress(done.reduce((sum, each) => sum + each, 0))
    })
  })
  const ended = await Promise.allSettled(runs)
  let outcome = emptyOutcome()
  for (const run of ended) {
    if (run.status === 'rejected') throw run.reason
    outcome = addOutcomes(outcome, run.value)
  }
  return outcome
}

async function runChild(root: string, options: RoundsOptions, progress: (interactions: number) => void) {
  const script = join(root, 'proof/s7/text-child.ts')
  const child = fork(script, [JSON.stringify(options)], {
    cwd: root,
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const errors: string[] = []
  child.stderr?.setEncoding('utf8').on('data', (text: string) => errors.push(text))
  let outcome: TextOutcome | undefined
  let failure: string | undefined
  child.on('message', (message: ChildMessage) => {
    if ('interactions' in message) progress(message.interactions)
    else if ('outcome' in message) outcome = message.outcome
    else failure = message.error
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (outcome) return outcome
  throw new Error(failure ?? `the run of the texts ended with ${code}: ${errors.join('').slice(-2000)}`)
}
