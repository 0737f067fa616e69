import { setTimeout as delay } from 'node:timers/promises'
import type { Found, Member } from './history.ts'
import { now } from './record.ts'
import type { Service } from './services.ts'
import type { World } from './world.ts'

const SETTLE_LIMIT_MS = 120_000
const LOOK_EVERY_MS = 500
/** The carrier may take as long to make up its mind, and must not be asked before. */
const THINKS_MS = 6_000
/** Longer than any claim: what waits for longer was put off, and is in nobody's hands. */
const PUT_OFF_S = 26

/**
 * Until no message has anything to be done for it. What was put off, for a minute or longer, is made due now: nothing is
 * broken any more, so nothing else will have happened by then. How many are left when nobody gets on with them.
 */
export async function settle({ postgres }: World): Promise<number> {
  await delay(THINKS_MS)
  const deadline = performance.now() + SETTLE_LIMIT_MS
  for (;;) {
    await postgres.query(
      `update interactions set due_at = now() where type = 'message' and due_at > now() + interval '${PUT_OFF_S} seconds'`,
    )
    const [left] = await postgres.query<{ due: number }>(
      "select count(*)::int as due from interactions where type = 'message' and due_at is not null",
    )
    if (!left?.due || performance.now() > deadline) return left?.due ?? 0
    await delay(LOOK_EVERY_MS)
  }
}

/** What there is in the end, as the API tells it, into the record. */
export async function findAll(world: World, services: Service[]): Promise<void> {
  for (const { sid, path } of services) {
    for (const session of await readAll(world, `${path}/Sessions`, 'sessions')) {
      const of = `${path}/Sessions/${session.sid}`
      const participants = await readAll(world, `${of}/Participants`, 'participants')
      const interactions = await readAll(world, `${of}/Interactions`, 'interactions')
      world.recorder.add<Found>({
        ...{ type: 'found', at: now(), service: sid },
        session: session.unique_name ?? '',
        status: session.status ?? '',
        members: participants.map(memberOf),
        // What came in goes by the carrier's own SID for it.
        interactions: interactions.map((each) => ({
          event: each.inbound_resource_sid ?? '',
          outbound_status: each.outbound_resource_status ?? null,
        })),
      })
    }
  }
}

type Row = Record<string, string | null | undefined>

const memberOf = ({ sid, identifier, proxy_identifier }: Row): Member => ({
  sid: sid ?? '',
  identifier: identifier ?? '',
  proxy: proxy_identifier ?? '',
})

async function readAll({ ask }: World, path: string, key: string): Promise<Row[]> {
  const rows: Row[] = []
  for (let next: string | null = `${path}?PageSize=100`; next; ) {
    const { outcome, status, text, body } = await ask('GET', next)
    if (outcome !== 'done') throw new Error(`GET ${next}: ${status} ${text}`)
    rows.push(...body[key])
    const { next_page_url } = body.meta
    next = next_page_url?.slice(new URL(next_page_url).origin.length)
  }
  return rows
}
