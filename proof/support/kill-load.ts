import { setTimeout as delay } from 'node:timers/promises'
import { statusParams } from '../../test/support/twilio-webhooks.ts'
import { bringUntilTaken, type Ledger } from './ledger.ts'
import type { MessageWorld } from './message-world.ts'

const LANES = 12
/**
 * What waits to be sent is bounded, so that what is measured is how soon work goes on, and not the length of a queue. Every
 * kill leaves up to fifty in hand for the time of a claim, and may not bring the load to a halt.
 */
const MOST_UNSENT = 500
const GIVE_UP_MS = 60_000
/** Every so manieth of what was sent is reported as delivered. */
const REPORTED = 3

/**
 * Lanes that each bring one text after the other, again while it is not taken, and one that brings reports of what was
 * sent: as fast as the server takes them, also while it is being killed and started.
 */
export function startKillLoad(world: MessageWorld, ledger: Ledger) {
  const reported = new Set<string>()
  let stopping = false
  const unsent = () => ledger.texts.length - world.twilio.account.messages.length
  const port = () => world.server.port

  const lane = async () => {
    while (!stopping) {
      if (unsent() > MOST_UNSENT) await delay(10)
      else await bringUntilTaken(ledger, ledger.next(), { port, limit_ms: GIVE_UP_MS })
    }
  }
  const reports = async () => {
    for (let at = 0; !stopping; ) {
      const message = world.twilio.account.messages[at]
      if (!message?.status_callback) await delay(10)
      else {
        const url = message.status_callback
        const { outcome } = await ledger.post(url, statusParams(world.twilio.account, message, 'delivered'), port())
        if (outcome === 'acknowledged') {
          reported.add(url.slice(url.lastIndexOf('/') + 1))
          at += REPORTED
        } else await delay(50)
      }
    }
  }
  const works = [...Array.from({ length: LANES }, lane), reports()]
  return {
    /** The interactions whose report was acknowledged. */
    reported,
    async untilAcknowledged(more: number) {
      const goal = ledger.acknowledged() + more
      const deadline = performance.now() + GIVE_UP_MS
      while (ledger.acknowledged() < goal) {
        if (performance.now() > deadline) throw new Error('the server takes nothing any more')
        await delay(1)
      }
    },
    /** Resolves when all that was begun has been taken. */
    async finish() {
      stopping = true
      await Promise.all(works)
    },
  }
}
