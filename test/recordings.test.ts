import assert from 'node:assert/strict'
import { test } from 'node:test'
import { twilioCarrier, twilioCredentials } from '../src/carriers/twilio/adapter.ts'
import { addCarrier, createCarriers } from '../src/core/carriers.ts'
import { recordRecording } from '../src/core/recordings.ts'
import { purgeOldRecords } from '../src/core/retention.ts'
import { newSid } from '../src/core/sid.ts'
import { deleteDueRecordings } from '../src/jobs/sweep.ts'
import { createLogger } from '../src/log.ts'
import { assertRefused, eventsOf, rows, withoutSweeper } from './support/proxy-api.ts'
import { type Call, legOf, makeCall, startRecordingServer } from './support/recording-carrier.ts'
import { eventually, makeAccount, type TestServer } from './support/server.ts'

const rowsOf = (server: TestServer, { sid }: { sid: string }) =>
  rows(server, 'select *, delete_at is null as is_kept from recordings where interaction_sid = $1', [sid])

const gone = (server: TestServer, call: Call) =>
  eventually(async () => (await rowsOf(server, call)).length === 0, 'nothing is left of the recordings')

test('a recording is stored once, shown with its call and in its service, and nowhere in clear', async (t) => {
  const { server, hold, report } = await startRecordingServer(t)
  const [call, other] = [await makeCall(server), await makeCall(server)]
  const [talk, voicemail] = [hold(), hold()]
  assert.deepEqual(await Promise.all([report(call, talk), report(call, talk), report(call, talk)]), [true, true, true])
  await report(call, { ...talk, duration_s: 99 })
  await report(call, voicemail, 'voicemail')

  const { body } = await server.get(call.path)
  const listed = body.recordings.find((row: { sid: string }) => row.sid === talk.carrier_recording_id)
  const url = `${server.url}${call.path}/${talk.carrier_recording_id}`
  assert.deepEqual(listed, {
    sid: talk.carrier_recording_id,
    account_sid: server.account.sid,
    service_sid: call.service.sid,
    session_sid: call.session.sid,
    interaction_sid: call.sid,
    kind: 'call',
    duration_s: 7,
    date_created: listed.date_created,
    url,
    media_url: `${url}/Media`,
  })
  assert.deepEqual((await server.get(`${call.path}/${talk.carrier_recording_id}`)).body, listed)
  assert.deepEqual(body.recordings.map((row: { kind: string }) => row.kind).sort(), ['call', 'voicemail'])
  assert.deepEqual((await server.get(other.path)).body.recordings, [])
  assertRefused(await server.get(`${other.path}/${talk.carrier_recording_id}`), 404, 20404)

  const first = await server.get(`/maskline${call.service.path}/Recordings?PageSize=1`)
  assert.equal(first.body.meta.url, `${server.url}/maskline${call.service.path}/Recordings?PageSize=1&Page=0`)
  const second = await server.get(first.body.meta.next_page_url.slice(server.url.length))
  const paged = [...first.body.recordings, ...second.body.recordings]
  assert.deepEqual(paged, body.recordings)
  assert.equal(second.body.meta.next_page_url, null)

  const [stored] = await rows(server, `select string_agg(recordings::text, '') as text from recordings`)
  assert.ok(stored.text.includes(talk.carrier_recording_id))
  assert.ok(!stored.text.includes(Buffer.from('http').toString('hex')), 'the address is sealed')
})

test("a carrier's recording that has no SID of the vendor's form is given one of ours, once", async (t) => {
  const { server, report } = await startRecordingServer(t)
  const call = await makeCall(server)
  const finished = { carrier_recording_id: 'rec/17', url: 'https://carrier.example/rec/17', duration_s: 0 }
  await report(call, finished)
  await report(call, finished)
  const { recordings } = (await server.get(call.path)).body
  assert.equal(recordings.length, 1)
  assert.match(recordings[0].sid, /^RE[0-9a-f]{32}$/)
})

test('the sound comes from the carrier through us, and only to the account', async (t) => {
  const { server, recorded, requests } = await startRecordingServer(t)
  const call = await makeCall(server)
  const body = Buffer.from([0x52, 0x49, 0x46, 0x46, 0x00, 0xff, 0xfe])
  const sound = await recorded(call, { headers: { 'content-type': 'audio/x-wav' }, body })
  const authorization = `Basic ${Buffer.from(`${server.account.sid}:${server.account.auth_token}`).toString('base64')}`
  const response = await fetch(`${server.url}${sound.path}/Media`, { headers: { authorization } })
  assert.equal(response.status, 200)
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), body)
  const { headers } = response
  assert.equal(headers.get('content-type'), 'audio/x-wav')
  assert.equal(headers.get('content-disposition'), `inline; filename="${sound.carrier_recording_id}.wav"`)
  assert.equal(headers.get('cache-control'), 'private, no-store')
  assert.equal(headers.get('x-content-type-options'), 'nosniff')

  const page = await recorded(call, { headers: { 'content-type': 'text/html' }, body: '<script>' })
  assert.equal((await server.get(`${page.path}/Media`)).headers.get('content-type'), 'application/octet-stream')

  const asked = requests.length
  const theirs = await makeAccount(server.store)
  const stranger = `Basic ${Buffer.from(`${theirs.sid}:${theirs.auth_token}`).toString('base64')}`
  const refused = { headers: { authorization: stranger } }
  assertRefused(await server.call(`${sound.path}/Media`, refused), 404, 20404)
  assert.equal((await fetch(`${server.url}${sound.path}/Media`)).status, 401)
  assert.equal(requests.length, asked, 'the carrier was not asked')
})

test('a sound that the carrier has not got any more is not found, and one it cannot give now is for later', async (t) => {
  const { server, recorded, fail } = await startRecordingServer(t)
  const call = await makeCall(server)
  const sound = await recorded(call)
  fail({ status: 500 })
  assertRefused(await server.get(`${sound.path}/Media`), 503, 20503)
  fail({ status: 404 })
  assertRefused(await server.get(`${sound.path}/Media`), 404, 20404)
  fail({ headers: { 'content-length': String(101 * 1024 * 1024) }, body: endless() })
  assertRefused(await server.get(`${sound.path}/Media`), 404, 20404)
  fail(undefined)
  assert.equal((await server.get(`${sound.path}/Media`)).status, 200)

  const elsewhere = await addCarrier(server.store, {
    account_sid: server.account.sid,
    kind: 'of-another-server',
    friendly_name: 'x',
    credentials: {},
  })
  await rows(server, 'update recordings set carrier_sid = $1', [elsewhere.sid])
  assertRefused(await server.get(`${sound.path}/Media`), 503, 20503)
})

async function* endless() {
  yield 'RIFF'
  await new Promise(() => undefined)
}

test('a deleted recording is deleted at the carrier too, and a report that comes again does not bring it back', async (t) => {
  const { server, recorded, report, holds } = await startRecordingServer(t)
  const call = await makeCall(server)
  const [sound, kept] = [await recorded(call), await recorded(call)]
  await withoutSweeper(server, async () => {
    assert.equal((await server.delete(sound.path)).status, 204)
    assertRefused(await server.get(sound.path), 404, 20404)
    assertRefused(await server.get(`${sound.path}/Media`), 404, 20404)
    assertRefused(await server.delete(sound.path), 404, 20404)
    assert.ok(holds(sound), 'deleting it there is for the sweeper')
  })
  await eventually(async () => !holds(sound), "the carrier's copy is gone")
  assert.ok(holds(kept))
  await eventually(async () => (await forgotten(server, call)) === 1, 'the address is forgotten')

  assert.equal(await report(call, sound), true)
  const shown = (await server.get(call.path)).body.recordings.map((row: { sid: string }) => row.sid)
  assert.deepEqual(shown, [kept.carrier_recording_id])
  assert.equal((await rowsOf(server, call)).length, 2)
  await rows(server, `update recordings set delete_at = now() where delete_at is not null`)
  await eventually(async () => (await rowsOf(server, call)).length === 1, 'that it came is forgotten, after a week')
})

const forgotten = async (server: TestServer, call: Call) =>
  (await rowsOf(server, call)).filter((row) => row.source_url_sealed.length === 0).length

test('a recording goes from the carrier with its interaction, its session, its service, and when all are old', async (t) => {
  const { server, recorded, holds } = await startRecordingServer(t)
  const ways: [what: string, erase: (call: Call) => Promise<unknown>][] = [
    ['interaction', ({ session, sid }) => server.delete(`${session.path}/Interactions/${sid}`)],
    ['session', ({ session }) => server.delete(session.path)],
    ['service', ({ service }) => server.delete(service.path)],
    ['stranger', ({ sid }) => ageStranger(server, sid)],
  ]
  const bystander = await makeCall(server)
  const untouched = await recorded(bystander)
  const goes = async ([what, erase]: (typeof ways)[number]) => {
    const call = await makeCall(server)
    const [sound, deletedBefore] = [await recorded(call), await recorded(call)]
    await server.delete(deletedBefore.path)
    await eventually(async () => (await forgotten(server, call)) === 1, 'one was deleted before')
    await erase(call)
    await gone(server, call)
    assert.deepEqual([holds(sound), holds(deletedBefore)], [false, false], what)
  }
  await Promise.all(ways.map(goes))
  assert.ok(holds(untouched))
  assert.equal((await server.get(untouched.path)).status, 200)
})

async function ageStranger(server: TestServer, sid: string) {
  const sql = `update interactions set session_sid = null, date_created = now() - interval '91 days' where sid = $1`
  await rows(server, sql, [sid])
  await purgeOldRecords(server.store)
}

test('a recording that is reported after its call was erased is never shown, and deleted at the carrier', async (t) => {
  const { server, hold, report, holds } = await startRecordingServer(t)
  const ways: [what: string, erase: (call: Call) => Promise<unknown>][] = [
    ['interaction', ({ session, sid }) => server.delete(`${session.path}/Interactions/${sid}`)],
    ['service', ({ service }) => server.delete(service.path)],
    [
      'more than a week ago',
      async ({ session, sid }) => {
        await server.delete(session.path)
        await rows(server, `update interactions set date_created = now() - interval '8 days' where sid = $1`, [sid])
        await purgeOldRecords(server.store)
      },
    ],
  ]
  const late: ReturnType<typeof hold>[] = []
  await withoutSweeper(server, async () => {
    for (const [what, erase] of ways) {
      const call = await makeCall(server)
      await erase(call)
      const finished = hold()
      late.push(finished)
      assert.equal(await report(call, finished), true, what)
      const marked = (await rowsOf(server, call)).map((row) => row.is_kept)
      assert.deepEqual(marked, [false], what)
    }
  })
  await eventually(async () => late.filter(holds).length === 0, 'the carrier has none of them')
  await eventually(async () => (await rows(server, 'select from recordings')).length === 0, 'nor have we')
})

test('a carrier reports recordings of its own calls only', async (t) => {
  const { server, hold, report, holds } = await startRecordingServer(t)
  const finished = hold()
  const theirs = await makeAccount(server.store)
  const call = await makeCall(server)
  const record = (about: object) =>
    recordRecording(server.store, { ...legOf(server, call), ...about }, 'call', finished)
  assert.equal(await record({ carrier_sid: theirs.carrier_sid }), false, 'of another account')
  assert.equal(await record({ carrier_sid: newSid('MC') }), false, 'that nobody knows')
  const second = await addCarrier(server.store, {
    account_sid: server.account.sid,
    kind: 'simulator',
    friendly_name: 'second',
    credentials: {},
  })
  assert.equal(await record({ carrier_sid: second.sid }), false, 'of the account, but not of the call')
  const erased = { sid: newSid('KI'), carrier_sid: theirs.carrier_sid }
  assert.equal(await record(erased), false, 'of another account, about a call that nobody knows')
  assert.deepEqual(await rows(server, 'select sid from recordings'), [])

  await rows(server, 'update interactions set outbound_carrier_sid = $1 where sid = $2', [second.sid, call.sid])
  assert.equal(await record({ carrier_sid: second.sid }), true, 'of the leg to the partner')
  assert.equal(await report(await makeCall(server, call.service)), true)
  assert.ok(holds(finished))
})

test('a carrier that does not delete is asked again ever later, and given up in the end, on record', async (t) => {
  const { server, recorded, holds, fail } = await startRecordingServer(t)
  const call = await makeCall(server)
  const sound = await recorded(call)
  const logged: string[] = []
  const context = {
    store: server.store,
    carriers: createCarriers(server.store, { twilio: (credentials) => twilioCarrier(twilioCredentials(credentials)) }),
    log: createLogger('warn', { write: (line: string) => void logged.push(line) }),
  }
  const round = async () => {
    await rows(server, 'update recordings set delete_at = now() where delete_at is not null')
    await deleteDueRecordings(context)
    const sql = 'select attempts, extract(epoch from delete_at - now()) as wait_s from recordings'
    const [row] = await rows(server, sql)
    return row && [row.attempts, Math.round(row.wait_s / 60)]
  }
  await withoutSweeper(server, async () => {
    await deleteDueRecordings(context)
    assert.deepEqual((await rowsOf(server, call)).length, 1, 'what is not deleted here is not deleted there')
    await server.delete(call.session.path)
    fail({ status: 500 })
    assert.deepEqual(
      [await round(), await round()],
      [
        [1, 1],
        [2, 2],
      ],
    )
    fail({ status: 403 })
    assert.deepEqual(await round(), [3, 4])
    await rows(server, 'update recordings set attempts = 30')
    assert.deepEqual(await round(), [31, 360])
    assert.equal(logged.length, 4)
    assert.equal((await eventsOf(server, call.service, 80613)).length, 0)

    await rows(server, 'update recordings set attempts = 35')
    assert.equal(await round(), undefined)
    const [event, ...others] = await eventsOf(server, call.service, 80613)
    assert.match(event?.message ?? '', new RegExp(`^Recording ${sound.carrier_recording_id} could not be deleted`))
    assert.deepEqual(others, [])
    assert.ok(holds(sound))
  })
})

test('a recording that comes in while its call is erased goes with it', async (t) => {
  const { server, hold, report, holds } = await startRecordingServer(t)
  const all: ReturnType<typeof hold>[] = []
  await withoutSweeper(server, async () => {
    for (let at = 0; at < 12; at++) {
      const call = await makeCall(server)
      const path = [`${call.session.path}/Interactions/${call.sid}`, call.session.path, call.service.path][at % 3] ?? ''
      const sounds = [hold(), hold(), hold(), hold()]
      all.push(...sounds)
      const [deleted] = await Promise.all([server.delete(path), ...sounds.map((sound) => report(call, sound))])
      assert.equal(deleted.status, 204)
      assert.deepEqual(
        (await rowsOf(server, call)).map((row) => row.is_kept),
        [false, false, false, false],
      )
    }
  })
  await eventually(async () => all.filter(holds).length === 0, 'the carrier has none of them')
})
