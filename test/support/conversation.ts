import assert from 'node:assert/strict'
import { addPerson, openSession, type Pool, rows, type SessionBody } from './proxy-api.ts'
import { eventually, person, type TestServer } from './server.ts'

let people = 0
/** Somebody whom no other test of the file has. */
export const newPerson = () => person(people++)

/** A person in a session: the real number, and the proxy number this person texts. */
export type Talker = { identifier: string; sid: string; proxy: string }
export type Conversation = { session: SessionBody; alice: Talker; bob: Talker }

export async function converse(
  server: TestServer,
  service: Pool,
  params: Record<string, string> = {},
  between = [newPerson(), newPerson()],
): Promise<Conversation> {
  const session = await openSession(server, service, params)
  const talkers: Talker[] = []
  for (const identifier of between) {
    const { sid, proxy_identifier } = await addPerson(server, session, identifier)
    talkers.push({ identifier, sid, proxy: proxy_identifier })
  }
  const [alice, bob] = talkers
  assert(alice && bob)
  return { session, alice, bob }
}

/** What came to a handset of the simulator, oldest first. */
export const inbox = async (server: TestServer, { identifier }: { identifier: string }) =>
  (await server.handset(identifier)).filter((message) => message.direction === 'inbound')

export const heard = (server: TestServer, who: { identifier: string }, body: string) =>
  eventually(async () => (await inbox(server, who)).find((message) => message.body === body), `“${body}” is heard`)

/** Waits until nothing is due any more, at once or later, of one service or at all: what has not happened never will. */
export const settled = (server: TestServer, service?: { sid: string }) =>
  eventually(async () => {
    const [left] = await rows(
      server,
      `select (select count(*) from interactions where due_at is not null and ($1::text is null or service_sid = $1))
            + (select count(*) from callbacks where due_at is not null and ($1::text is null or service_sid = $1)) as due`,
      [service?.sid ?? null],
    )
    return Number(left.due) === 0
  }, 'nothing is due any more')

export const interactionsOf = async (server: TestServer, session: { path: string }) =>
  (await server.get(`${session.path}/Interactions?PageSize=100`)).body.interactions as Record<string, string | null>[]

export const fetched = async (server: TestServer, session: { path: string }) => (await server.get(session.path)).body

/** Makes what is due later due now. */
export async function hurry(server: TestServer, table: 'interactions' | 'callbacks'): Promise<void> {
  await rows(server, `update ${table} set due_at = now() where due_at is not null`)
}

/** The codes in the event log of a service, oldest first. */
export async function eventCodes(server: TestServer, service: { sid: string }): Promise<number[]> {
  const found = await rows(server, 'select error_code from events where service_sid = $1 order by sid', [service.sid])
  return found.map((row) => row.error_code)
}
