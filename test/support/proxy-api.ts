import assert from 'node:assert/strict'
import { after } from 'node:test'
import pg from 'pg'
import { type Answer, poolNumber, startServer, type TestServer } from './server.ts'

/** One server for all tests of a file, started by the first that asks for it and stopped after the last. */
export function serverForFile(options?: () => Promise<Parameters<typeof startServer>[1]>): () => Promise<TestServer> {
  const cleanups: (() => unknown)[] = []
  let started: Promise<TestServer> | undefined
  after(async () => {
    for (const clean of cleanups.reverse()) await clean()
  })
  return () => {
    const hooks = { after: (clean: unknown) => cleanups.push(clean as () => unknown) }
    started ??= (async () => await startServer(hooks, await options?.()))()
    return started
  }
}

/** A service of a test: its SID, its path, and its pool. */
export type Pool = { sid: string; path: string; numbers: PoolEntry[] }
export type PoolEntry = { sid: string; phone_number: string }

let named = 0
let numbered = 0

export const newName = (kind: string) => `${kind}-${++named}`
/** A proxy number that no other test of the file has. */
export const newNumber = () => poolNumber(numbered++)

export async function makeService(
  server: TestServer,
  numbers = 2,
  settings: Record<string, string> = {},
): Promise<Pool> {
  const answer = await server.post('/v1/Services', { UniqueName: newName('service'), ...settings })
  assert.equal(answer.status, 201, answer.text)
  const { sid } = answer.body
  const service: Pool = { sid, path: `/v1/Services/${sid}`, numbers: [] }
  for (let at = 0; at < numbers; at++) service.numbers.push(await addNumber(server, service))
  return service
}

export async function addNumber(server: TestServer, service: Pool, params: Record<string, string> = {}) {
  const answer = await server.post(`${service.path}/PhoneNumbers`, { PhoneNumber: newNumber(), ...params })
  assert.equal(answer.status, 201, answer.text)
  return answer.body as PoolEntry
}

export type SessionBody = Record<string, string | number | null> & { sid: string; path: string }

/** Opens a session; `path` leads to it. */
export async function openSession(
  server: TestServer,
  service: { path: string },
  params: Record<string, string | string[]> = {},
): Promise<SessionBody> {
  const answer = await server.post(`${service.path}/Sessions`, params)
  assert.equal(answer.status, 201, answer.text)
  return { ...answer.body, path: `${service.path}/Sessions/${answer.body.sid}` } as SessionBody
}

export const participant = (identifier: string, more: Record<string, string> = {}) =>
  JSON.stringify({ Identifier: identifier, ...more })

/** Adds a person to a session, and expects that to succeed. */
export async function addPerson(
  server: TestServer,
  session: { path: string },
  identifier: string,
  params: Record<string, string> = {},
) {
  const answer = await server.post(`${session.path}/Participants`, { Identifier: identifier, ...params })
  assert.equal(answer.status, 201, answer.text)
  return answer.body as { sid: string; proxy_identifier: string; proxy_identifier_sid: string }
}

/** The four keys of a refusal, its status and its code; its message where the letter matters. */
export function assertRefused(answer: Answer, status: number, code: number, message?: string | RegExp): void {
  assert.deepEqual([answer.status, answer.body.code], [status, code], answer.text)
  assert.deepEqual(Object.keys(answer.body), ['code', 'message', 'more_info', 'status'])
  assert.equal(answer.body.status, status)
  assert.equal(answer.body.more_info, `https://www.twilio.com/docs/errors/${code}`)
  if (typeof message === 'string') assert.equal(answer.body.message, message)
  else if (message) assert.match(answer.body.message, message)
}

export const rows = async (server: TestServer, statement: string, values: unknown[] = []) =>
  (await server.store.pool.query(statement, values)).rows

/** Lets a session run out without waiting: what it counts from moves into the past, on the database's own clock. */
export async function letRunOut(server: TestServer, session: { sid: string }): Promise<void> {
  await rows(
    server,
    `update sessions set
       date_created = date_created - make_interval(secs => ttl + 5),
       ttl_since = ttl_since - make_interval(secs => ttl + 5),
       date_expiry = date_expiry - (date_expiry - now()) - interval '5 seconds'
     where sid = $1`,
    [session.sid],
  )
}

/** Keeps every server of the database from sweeping while `work` runs, so that only lazy expiry can be what acts. */
export async function withoutSweeper(server: TestServer, work: () => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: server.database_url })
  await client.connect()
  try {
    await client.query("select pg_advisory_lock(hashtext('maskline sweep'))")
    await work()
  } finally {
    await client.end()
  }
}

/** What the event log says of one code, through the API. */
export async function eventsOf(server: TestServer, service: Pool, code: number) {
  const answer = await server.get(`/maskline/v1/Events?ErrorCode=${code}&ServiceSid=${service.sid}`)
  return answer.body.events as { error_code: number; message: string; session_sid: string | null; log_level: string }[]
}
