import type { AccountMessage } from '../../test/support/twilio-account.ts'
import type { RecordedRequest } from '../../test/support/twilio-api.ts'
import type { Random } from '../random.ts'
import { arrive, type TextWorld } from './text-world.ts'

/**
 * What comes out at the other end: what the carrier is asked for, what the partner's phone shows, and what it fetches from
 * us. The carrier then tells what became of a text; of which it promises neither the order nor the number.
 */
export function watchPhones(texts: TextWorld, random: Random) {
  const { twilio } = texts.world
  let shown = 0
  let running: Promise<void> | undefined
  async function lookAtNew() {
    const requests = twilio.requests.splice(0)
    for (const request of requests) lookAtOrder(texts, request)
    const messages = twilio.messages.slice(shown).filter(({ direction }) => direction === 'outbound-api')
    shown = twilio.messages.length
    for (let at = 0; at < messages.length; at += AT_ONCE) {
      await Promise.all(messages.slice(at, at + AT_ONCE).map((message) => show(texts, random, message)))
    }
  }
  return {
    /** Looks at what is new; one look at a time. */
    look: async () => {
      while (running) await running
      running = lookAtNew().finally(() => {
        running = undefined
      })
      await running
    },
  }
}

const AT_ONCE = 12

/** All of an order but `To`, which is the number of whoever it is for, and the credentials, always the same. */
function lookAtOrder({ taps, world }: TextWorld, { method, path, query, form, headers }: RecordedRequest) {
  const { authorization: _, ...others } = headers
  if (path.includes('/Messages.json')) {
    const rest = [query, form].map((fields) => fields.filter(([name]) => name !== 'To'))
    taps.look('orders to the carrier', JSON.stringify([method, path, rest]), { headers: others })
  } else if (path.includes('/Media/') || !path.startsWith('/2010-04-01/')) {
    // What its sender called it is in the carrier's own address, also where that leads on, and goes to nobody else.
    world.count('attachments fetched from the carrier')
  } else if (!path.includes('/Calls')) taps.look('orders to the carrier', JSON.stringify([method, path]))
}

async function show(texts: TextWorld, random: Random, message: AccountMessage) {
  const { taps, world } = texts
  const { from, to, body, media_urls, status_callback } = message
  world.count('texts that came to a phone at Twilio')
  taps.look('partners’ phones', JSON.stringify([from, body, media_urls, status_callback]))
  arrive(texts, to, body)
  for (const url of media_urls) await lookAtAttachment(texts, url)
  await tell(texts, random, message)
}

async function lookAtAttachment({ taps, world }: TextWorld, url: string) {
  if (!url.startsWith(`${world.server.url}/media/`)) return
  const response = await fetch(world.twilio.reach(url))
  // It goes with its session.
  if (response.status === 404) return world.count('attachments that were gone')
  if (response.status !== 200) throw new Error(`an attachment cannot be had: ${response.status}`)
  const text = Buffer.from(await response.arrayBuffer()).toString('latin1')
  taps.look('attachments', `${url} ${text}`, { headers: Object.fromEntries(response.headers) })
  world.count('attachments fetched by a phone')
}

type Report = [status: string, error_code?: number]

async function tell({ world }: TextWorld, random: Random, { sid }: AccountMessage) {
  const histories: Record<string, Report[]> = {
    nothing: [],
    delivered: [['delivered']],
    'in order': [['sent'], ['delivered']],
    'out of order': [['delivered'], ['sent'], ['sending'], ['delivered']],
    undelivered: [['sent'], ['undelivered', 30003]],
    failed: [
      ['failed', 30008],
      ['undelivered', 30005],
    ],
  }
  const kind = random.draw({
    nothing: 5,
    delivered: 3,
    'in order': 1,
    'out of order': 0.5,
    undelivered: 0.5,
    failed: 0.5,
  })
  for (const [status, error_code] of histories[kind] ?? []) await world.twilio.report(sid, status, error_code)
}

/** Every phone of the simulated network, as its owner sees it. */
export async function lookAtHandsets(texts: TextWorld) {
  const { atSimulator, taps, world } = texts
  for (const number of atSimulator.people) {
    const view = await atSimulator.client.get(`/simulator/handsets/${encodeURIComponent(number)}/messages`)
    taps.look('partners’ phones', JSON.stringify(view), { allowed: [number] })
    for (const { direction, to, body } of view.messages) {
      if (direction !== 'inbound') continue
      world.count('texts that came to a simulated phone')
      arrive(texts, to, body)
    }
  }
}
