import { setTimeout as delay } from 'node:timers/promises'
import type { MessageWorld } from './message-world.ts'

/** Until no message is due any more, at once or later, or the time is over: what has not happened then never will. */
export async function untilNothingIsDue({ query }: Pick<MessageWorld, 'query'>, limit_ms: number): Promise<void> {
  const deadline = performance.now() + limit_ms
  for (;;) {
    const [left] = await query<{ due: string }>('select count(*) as due from interactions where due_at is not null')
    if (Number(left?.due) === 0 || performance.now() > deadline) return
    await delay(100)
  }
}
