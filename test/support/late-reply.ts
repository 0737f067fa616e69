import assert from 'node:assert/strict'
import { heard, inbox, settled } from './conversation.ts'
import {
  addPerson,
  letRunOut,
  makeService,
  openSession,
  type Pool,
  participant,
  rows,
  type SessionBody,
} from './proxy-api.ts'
import type { TestServer } from './server.ts'

/** Ways in which a session ends, and the two people of one come together. */
export const ENDINGS = ['closed', 'run out', 'removed', 'deleted'] as const
export const BEGINNINGS = ['both at once', 'one by one', 'one by one, the other first'] as const
export type Ending = (typeof ENDINGS)[number]
export type Beginning = (typeof BEGINNINGS)[number]

/** Who met whom, and the numbers that were given to the two. */
export type Met = { session: SessionBody; people: [string, string]; numbers: [string, string] }

export async function meet(
  server: TestServer,
  service: Pool,
  people: [string, string],
  beginning: Beginning = 'both at once',
): Promise<Met> {
  // A ttl, so that the session can run out.
  const params = { Ttl: '3600' }
  if (beginning === 'both at once') {
    const Participants = people.map((identifier) => participant(identifier))
    const session = await openSession(server, service, { ...params, Participants })
    const { participants } = (await server.get(`${session.path}/Participants`)).body
    const [one, other] = participants as { proxy_identifier: string }[]
    return { session, people, numbers: [one?.proxy_identifier ?? '', other?.proxy_identifier ?? ''] }
  }
  const session = await openSession(server, service, params)
  const add = async (identifier: string) => (await addPerson(server, session, identifier)).proxy_identifier
  if (beginning === 'one by one') return { session, people, numbers: [await add(people[0]), await add(people[1])] }
  const other = await add(people[1])
  return { session, people, numbers: [await add(people[0]), other] }
}

export async function end(server: TestServer, { session }: Met, ending: Ending): Promise<void> {
  if (ending === 'closed') await server.post(session.path, { Status: 'closed' })
  if (ending === 'run out') await letRunOut(server, session)
  if (ending === 'deleted') await server.delete(session.path)
  if (ending !== 'removed') return
  const { participants } = (await server.get(`${session.path}/Participants`)).body
  for (const { sid } of participants) await server.delete(`${session.path}/Participants/${sid}`)
}

/** Somebody nobody has met before. */
let strangers = 0
const AREAS = ['206', '212', '305', '312', '404', '415', '503', '512', '602', '617', '702', '718']
export function newStranger(): string {
  const at = strangers++
  return `+1${AREAS[Math.floor(at / 9000) % AREAS.length]}555${1000 + (at % 9000)}`
}

/** Three people whom no other test knows. */
export const trio = (): [string, string, string] => [newStranger(), newStranger(), newStranger()]

export async function setCoolDown(server: TestServer, service: Pool, settings: Record<string, string>): Promise<void> {
  const answer = await server.post(`/maskline${service.path}/Settings`, settings)
  assert.equal(answer.status, 200, answer.text)
}

/** As if all that was released in a service had been so long ago. */
export async function letPass(server: TestServer, service: { sid: string }, seconds: number): Promise<void> {
  for (const table of ['participants', 'released_pairs']) {
    const sql = `update ${table} set date_released = date_released - make_interval(secs => $2) where service_sid = $1`
    await rows(server, sql, [service.sid, seconds])
  }
}

const LANES = 4

/**
 * So many times: somebody meets one person, the session ends, they meet another one, and only then write to the number
 * of the first. Counts the replies that came to the second one's handset. Ways of ending and beginning take turns.
 */
export async function lateReplies(
  server: TestServer,
  options: { times: number; settings?: Record<string, string>; progress?: (done: number) => void },
): Promise<number> {
  // Each lane has its writer's two partners in one session at a time, so that a number is free for them too.
  const service = await makeService(server, LANES + 2)
  await setCoolDown(server, service, options.settings ?? {})
  const [former, later] = [newStranger(), newStranger()]
  let [begun, reached] = [0, 0]
  const lane = async () => {
    while (begun < options.times) {
      const at = begun++
      if (await replyLate(server, service, at, [newStranger(), former, later])) reached++
      options.progress?.(at + 1)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  await settled(server, service)
  const unnoticed = reached === 0 && (await inbox(server, { identifier: later })).length > 0
  assert(!unnoticed, 'what came to a handset was counted')
  return reached
}

/** Whether it came to `later`, also when it should have: what was relayed is waited for before the session ends. */
async function replyLate(server: TestServer, service: Pool, at: number, people: [string, string, string]) {
  const [writer, former, later] = people
  const first = await meet(server, service, [writer, former])
  await end(server, first, ENDINGS[at % ENDINGS.length] ?? 'closed')
  const second = await meet(server, service, [writer, later], BEGINNINGS[at % BEGINNINGS.length])
  const body = `Late ${at}`
  const sid = await server.text(writer, first.numbers[0], body)
  const isRelayed = await relayed(server, service, sid)
  if (isRelayed) await heard(server, { identifier: later }, body)
  await end(server, second, 'closed')
  return isRelayed
}

/** What was decided of a message that the server has taken. */
export async function relayed(server: TestServer, service: Pool, sid: string): Promise<boolean> {
  const found = await rows(
    server,
    'select outcome from interactions where service_sid = $1 and inbound_resource_sid = $2',
    [service.sid, sid],
  )
  assert.equal(found.length, 1, 'the message is on record')
  return found[0].outcome === 'relayed'
}
