import assert from 'node:assert/strict'
import { test } from 'node:test'
import { converse, newPerson, settled } from './support/conversation.ts'
import { assertRefused, makeService, rows, serverForFile } from './support/proxy-api.ts'

const getServer = serverForFile()

const RECORDS = '/maskline/v1/Interactions'

type Row = { sid: string; sender: string | null }

test('the list is read newest first, in both directions and by every filter, and goes on where a page is not full', async () => {
  const server = await getServer()
  const service = await makeService(server)
  const { session, alice } = await converse(server, service)
  const stranger = newPerson()
  await server.text(stranger, alice.proxy, 'Who is there?')
  await settled(server, service)
  await rows(
    server,
    `insert into interactions (service_sid, sid, account_sid, carrier_sid, type, origin, outcome, session_sid, date_created)
     select $1, 'KI' || lpad(to_hex(4000000000000000 + at), 32, 'f'), $2, $3, 'message', 'api', 'sent', $4, now()
     from generate_series(1, 1200) at`,
    [service.sid, server.account.sid, server.account.carrier_sid, session.sid],
  )
  const local = (url: string) => url.slice(new URL(url).origin.length)
  const read = async (path: string, direction: 'next_page_url' | 'previous_page_url') => {
    const pages: Row[][] = []
    for (let url: string | null = path; url; ) {
      const { body } = await server.get(local(new URL(url, server.url).href))
      pages.push(body.interactions)
      url = body.meta[direction]
    }
    return pages
  }
  const all = (await read(`${RECORDS}?ServiceSid=${service.sid}&PageSize=100`, 'next_page_url')).flat()
  assert.equal(all.length, 1201)
  const sids = all.map(({ sid }) => sid)
  assert.deepEqual(sids, sids.toSorted().reverse())
  // So many newer ones are looked at that the first page has none of these, and says where to go on.
  const rare = await read(`${RECORDS}?ServiceSid=${service.sid}&Outcome=out-of-session`, 'next_page_url')
  assert.deepEqual(
    rare.map((page) => page.length),
    [0, 1],
  )
  assert.equal(rare.flat()[0]?.sender, stranger)
  const oldest = `${RECORDS}?PageSize=100&PageToken=PB${sids.at(-1)}&ServiceSid=${service.sid}`
  const back = await read(oldest, 'previous_page_url')
  assert.deepEqual(
    back
      .reverse()
      .flat()
      .map(({ sid }) => sid),
    sids.slice(0, -1),
  )
  const count = async (query: string) =>
    (await server.get(`${RECORDS}?ServiceSid=${service.sid}&PageSize=100${query}`)).body.interactions.length
  assert.equal(await count(`&SessionSid=${session.sid}`), 100)
  assert.equal(await count(`&SessionSid=KC${'0'.repeat(32)}`), 0)
  assert.equal(await count('&Type=call'), 0)
  assert.equal(await count('&Since=2020-01-01'), 100)
  assert.equal(await count('&Until=2020-01-01'), 0)
  for (const [query, code] of [
    ['ServiceSid=KS1', 80408],
    ['SessionSid=KC1', 80409],
    ['Outcome=lost', 20001],
  ] as const) {
    assertRefused(await server.get(`${RECORDS}?${query}`), 400, code)
  }
})
