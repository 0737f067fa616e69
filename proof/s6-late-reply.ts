import { lateReplies } from '../test/support/late-reply.ts'
import { startServer } from '../test/support/server.ts'
import type { Proof } from './proof.ts'

/**
 * Somebody meets one person, the session ends, they meet another one, and only then write to the number of the first: by
 * the REST API and the simulated network, with every way in which a session ends and the next one begins. The control
 * turns the cool-down off.
 */
const CONTROL = 200

export const s6LateReply: Proof = {
  id: 'S6',
  name: 's6-late-reply',
  promise: 'a late reply within the cool-down does not reach a new partner',
  goal: '0 replies',
  sizes: { short: 300, full: 10_000, unit: 'late replies' },
  async run({ size, progress }) {
    const measured = await countReached(size, {}, (done) => progress(`looking: ${done} of ${size} late replies`))
    const times = Math.min(size, CONTROL)
    const off = { CoolDown: '0' }
    const control = await countReached(times, off, (done) => progress(`control: ${done} of ${times} late replies`))
    return {
      figure: `${measured} of ${size} late replies reached the new partner`,
      holds: measured === 0,
      // Not all of them do: without a history, as after a deletion, any number may be given.
      control: { figure: `${control} of ${times} without a cool-down`, fails: control > times / 4 },
      details: [
        'sessions closed, run out, emptied and deleted; the next begun at once, one by one, and the other first',
      ],
    }
  },
}

async function countReached(
  times: number,
  settings: Record<string, string>,
  progress: (done: number) => void,
): Promise<number> {
  const cleanups: (() => unknown)[] = []
  const server = await startServer({ after: (clean: unknown) => cleanups.push(clean as () => unknown) })
  try {
    return await lateReplies(server, { times, settings, progress })
  } finally {
    for (const clean of cleanups.reverse()) await clean()
  }
}
