import { setTimeout as delay } from 'node:timers/promises'
import { person } from '../../test/support/server.ts'
import { vendorSid } from '../../test/support/twilio-numbers.ts'
import { inboundParams, statusParams } from '../../test/support/twilio-webhooks.ts'
import { type Conversation, converse, type Service } from './deployment.ts'
import type { Ledger, Try } from './ledger.ts'
import type { MessageWorld } from './message-world.ts'
import type { Change } from './one-moment.ts'

const LANES = 6
/** Every so manieth of what was sent is reported as delivered. */
const REPORTED = 5
/** Those before them talk all the time. */
const FIRST_PERSON = 1_000
const PEOPLE = 8_000

/** A session that came and went, and the event of the text in it. */
export type Passing = { sid: string; event: string }

let came = 0

/**
 * Beside a load of texts, what else changes tables: sessions are opened, texted in, closed and deleted, and what was
 * sent is reported as delivered. The application of the service is told of it all.
 */
export function startChurn(world: MessageWorld, ledger: Ledger, service: Service) {
  const changes: Change[] = []
  const passing: Passing[] = []
  const failed: string[] = []
  let stopping = false

  const timed = async <T>(what: string, work: () => Promise<{ sid: string; result: T }>): Promise<T> => {
    const began_at = Date.now()
    const { sid, result } = await work()
    changes.push({ what, sid, began_at, ended_at: Date.now() })
    return result
  }
  const brought = (what: string, sid: string, url: string, params: Record<string, string>) =>
    timed(what, async () => ({ sid, result: assertTaken(await ledger.post(url, params, world.server.port)) }))

  const pass = async (): Promise<() => Promise<void>> => {
    const people: [string, string] = [newcomer(), newcomer()]
    const { sid, path, alice } = await timed('open', async () => {
      const result: Conversation = await converse(world.api, service, people)
      return { sid: result.sid, result }
    })
    const event = vendorSid('SM')
    const text = { sid: event, from: alice.identifier, to: alice.proxy, body: `passing ${event}` }
    await brought('text', event, `${world.door}/messages`, inboundParams(world.twilio.account, text))
    passing.push({ sid, event })
    await timed('close', async () => ({ sid, result: await world.api.post(path, [['Status', 'closed']]) }))
    return () =>
      timed('delete', async () => {
        const { status } = await world.api.ask('DELETE', path)
        if (status !== 204) throw new Error(`DELETE ${path}: ${status}`)
        return { sid, result: undefined }
      })
  }
  const lane = async () => {
    let deleteLast = async () => {}
    while (!stopping) {
      try {
        const deleteThis = await pass()
        await deleteLast()
        deleteLast = deleteThis
      } catch (error) {
        failed.push(String(error))
        deleteLast = async () => {}
      }
    }
  }
  const reports = async () => {
    const { messages } = world.twilio.account
    for (let at = 0; !stopping; ) {
      const message = messages[at]
      if (!message) {
        await delay(10)
        continue
      }
      at += REPORTED
      // Who deletes a session is not told any more of what became of a text in it.
      if (!message.status_callback || message.body.startsWith('passing')) continue
      const url = message.status_callback
      const params = statusParams(world.twilio.account, message, 'delivered')
      const sid = url.slice(url.lastIndexOf('/') + 1)
      await brought('report', sid, url, params).catch((error) => failed.push(String(error)))
    }
  }
  const works = [...Array.from({ length: LANES }, lane), reports()]
  return {
    changes,
    passing,
    /** What was not done. */
    failed,
    async finish() {
      stopping = true
      await Promise.all(works)
    },
  }
}

const newcomer = () => person(FIRST_PERSON + (came++ % PEOPLE))

function assertTaken(one: Try): void {
  if (one.outcome !== 'acknowledged') throw new Error(`a webhook was ${one.outcome}: ${one.status}`)
}
