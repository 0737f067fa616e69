import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import pg from 'pg'
import { servedBy } from './parent.ts'

/**
 * The peer: about the least that a server can do for a message which it must not lose. It parses the form and stores one
 * row, by one prepared statement, and answers when that is on disk.
 */
export type BareOptions = { database_url: string; connections: number }

const TABLE = `create table if not exists bench_inbound (
  id text primary key, sender text not null, recipient text not null, body text not null,
  date_created timestamptz not null default now()
)`

const insert = {
  name: 'insert',
  text: 'insert into bench_inbound (id, sender, recipient, body) values ($1, $2, $3, $4)',
}

servedBy(async ({ database_url, connections }: BareOptions) => {
  const pool = new pg.Pool({ connectionString: database_url, max: connections })
  await pool.query(TABLE)
  const app = Fastify()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_request: unknown, text: string) => new URLSearchParams(text),
  )
  app.post('/*', async (request, reply) => {
    const form = request.body as URLSearchParams
    const values = ['MessageSid', 'From', 'To', 'Body'].map((name) => form.get(name))
    await pool.query({ ...insert, values })
    return reply.type('text/xml').send('<Response/>')
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { ready: { port: (app.server.address() as AddressInfo).port }, commands: {} }
})
