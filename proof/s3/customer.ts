import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type ReceivedRequest, type ReceiverAnswer, startReceiver } from '../../test/support/receiver.ts'
import type { Random } from '../random.ts'
import type { Scope } from '../support/scope.ts'
import type { Asked } from './history.ts'
import { now, type Recorder } from './record.ts'

/** The customer's application: it is asked about every interaction of one service, told about all, and often in trouble. */
export type Customer = Awaited<ReturnType<typeof startCustomer>>

export const INTERCEPT_TIMEOUT_MS = 3_000

const OPINIONS: Record<Asked['answer'], number> = { 'go on': 76, no: 12, silence: 4, fault: 8 }
const ANSWERS = { at_once: 70, slow: 10, fault: 15, never: 5 }
const STATUS = { 'go on': 200, no: 403, fault: 500 } as const

export async function startCustomer(scope: Scope, { random, recorder }: { random: Random; recorder: Recorder }) {
  const opinions = new Map<string, Asked['answer']>()
  const mood = { isDown: false, isCalm: false }
  const never = () => new Promise<ReceiverAnswer>(() => undefined)

  const decide = async ({ params }: ReceivedRequest): Promise<ReceiverAnswer> => {
    const began_at = now()
    const event = params.inboundResourceSid ?? ''
    // Asked again, it is of the same opinion, unless it is down.
    const opinion = opinions.get(event) ?? random.draw(OPINIONS)
    opinions.set(event, opinion)
    const answer = mood.isDown ? 'fault' : opinion
    const asked = recorder.add<Asked>({ type: 'asked', event, answer, began_at, ended_at: began_at })
    if (answer === 'silence') {
      asked.ended_at += INTERCEPT_TIMEOUT_MS
      return await never()
    }
    if (random.chance(0.1)) await delay(random.below(500))
    asked.ended_at = now()
    return { status: STATUS[answer] }
  }
  const takeNote = async (): Promise<ReceiverAnswer> => {
    const how = mood.isCalm ? 'at_once' : random.draw(ANSWERS)
    if (how === 'never') return await never()
    if (how === 'slow') await delay(500 + random.below(2_000))
    return { status: how === 'fault' || mood.isDown ? 500 : 200 }
  }
  const receiver = await startReceiver(scope as TestContext, (request) => {
    // Only the answers count, and there are very many.
    receiver.requests.length = 0
    return request.target.startsWith('/intercept') ? decide(request) : takeNote()
  })
  return Object.assign(mood, { url: receiver.url })
}
