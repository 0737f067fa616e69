import { eventually } from '../../test/support/server.ts'
import { converse, type Side, type World } from './world.ts'

/** Requests that are refused for every reason that has to do with people or calls, with people's numbers in them. */
export async function provokeErrors(world: World): Promise<void> {
  await provokeRest(world, world.atTwilio)
  await provokeRest(world, world.atSimulator)
  await provokeWebhooks(world)
  await provokeSimulator(world)
}

async function provokeRest(world: World, side: Side) {
  const { client, pools } = side
  const { session, alice, bob } = await converse(world, side, 'told')
  const stranger = world.newcomer()
  const service = `/v1/Services/${pools.told.sid}`
  const settings = `/maskline${service}/Settings`
  const participant = (Identifier: string, more = {}) => JSON.stringify({ Identifier, ...more })
  const requests: [path: string, params: [name: string, value: string][]][] = [
    [`${session}/Participants`, [['Identifier', alice.identifier]]],
    [`${session}/Participants`, [['Identifier', stranger]]],
    [`${service}/Sessions`, [['Participants', participant(alice.identifier, { ProxyIdentifier: alice.proxy })]]],
    [`${service}/Sessions`, [['Participants', participant(stranger, { ProxyIdentifier: alice.identifier })]]],
    [
      `${service}/Sessions`,
      [stranger, alice.identifier, bob.identifier].map((one) => ['Participants', participant(one)]),
    ],
    [`${service}/Sessions`, [['Participants', `{"Identifier":"${alice.identifier}"`]]],
    [`${service}/Sessions`, [['Participants', participant(`tel:${alice.identifier}`)]]],
    [`${service}/Sessions`, [['Participants', participant(`${alice.identifier} ext. 1`)]]],
    [`${service}/Sessions`, [['Mode', alice.identifier]]],
    [`${service}/Sessions`, [['Ttl', alice.identifier]]],
    [`${session}`, [['Status', alice.identifier]]],
    [`${settings}`, [['SpeechLanguage', alice.identifier]]],
    [`${settings}`, [['RingTimeout', alice.identifier]]],
    [`${settings}`, [['Recording', alice.identifier]]],
    [`${settings}`, [['Greeting', `https://${alice.identifier.slice(1)}`]]],
  ]
  for (const [path, params] of requests) {
    const { status, text } = await client.ask('POST', path, new URLSearchParams(params))
    if (status < 400 || status > 499) throw new Error(`${path} ${params}: ${status} ${text}`)
  }
}

/** Forged, broken, about nothing of ours, or with a number where it does not belong. */
async function provokeWebhooks({ twilio, server, atTwilio, newcomer }: World) {
  const calls = `${server.url}/webhooks/${atTwilio.account.carrier_sid}/calls`
  const [From, person] = [newcomer(), newcomer()]
  const ours = `${calls}/${atTwilio.pools.plain.sid}/KI${'0'.repeat(32)}`
  const call = { CallSid: `CA${'0'.repeat(32)}`, CallStatus: 'ringing', From, To: atTwilio.pools.plain.numbers[0] }
  const { CallSid: _, ...withoutSid } = call
  const ingress = calls.replace(/\/webhooks\/.*$/, `/v1/Accounts/${atTwilio.account.sid}/Proxy/KS/Webhooks/Call`)
  const posts: [url: string, params: Record<string, string>, token?: string][] = [
    [calls, call, 'another token'],
    [calls, withoutSid],
    [calls, { ...call, CallStatus: person }],
    [calls, { ...call, CallStatus: 'completed' }],
    [calls, { ...call, To: '' }],
    [calls, { ...call, CallSid: `${From}\0` }],
    [calls, { ...call, ErrorCode: '11200', ErrorUrl: `${ours}/via?to=${From}` }],
    [`${calls}/KS1/KI1/leg`, call],
    [`${ours}/leg`, { ...call, CallStatus: person }],
    [`${ours}/dialled`, { ...call, DialCallStatus: person }],
    [`${ours}/recording`, { ...call, RecordingSid: person, RecordingStatus: person }],
    [ingress, { ...call, To: person }],
  ]
  for (const [url, params, token] of posts) {
    const { status } = await twilio.post(url, params, token)
    if (status < 400 || status > 499) throw new Error(`${url}: ${status}`)
  }
  for (const what of ['leg', 'dialled', 'whisper', 'recorded', `via?to=${encodeURIComponent(`${calls}?${From}`)}`]) {
    await twilio.post(`${ours}/${what}`, { ...call, ParentCallSid: call.CallSid, DialCallStatus: 'completed' })
  }
}

async function provokeSimulator({ atSimulator, newcomer }: World) {
  const [one, other] = [newcomer(), newcomer()]
  const { client, pools } = atSimulator
  const requests: [path: string, body: object][] = [
    ['/simulator/calls', { from: `${one} `, to: pools.plain.numbers[0] }],
    ['/simulator/calls', { from: one, to: one.slice(1) }],
    [`/simulator/calls/CA${'0'.repeat(32)}/answer`, { number: other }],
    [`/simulator/calls/${encodeURIComponent(one)}/answer`, { number: other }],
    ['/simulator/clock', { advance_s: one }],
  ]
  for (const [path, body] of requests) {
    const { status, text } = await client.ask('POST', path, body)
    if (status < 400 || status > 499) throw new Error(`${path}: ${status} ${text}`)
  }
}

/** Everything that is still due happens now, the carrier being asked about calls whose end was lost on the way. */
export async function settleAll({ server, twilio, newcomer }: World): Promise<void> {
  await twilio.releaseCallbacks('reversed')
  const message = `The call from ${newcomer()} to ${newcomer()} cannot be found`
  twilio.failNext(
    { kind: 'error', status: 400, code: 21220, message },
    { kind: 'error', status: 503, message },
    { kind: 'error', status: 404, body: message },
    { kind: 'reset' },
    { kind: 'garbled' },
  )
  const { pool } = server.store
  await eventually(
    async () => {
      await pool.query(`update interactions set due_at = now() where due_at > now() + interval '1 second'`)
      await pool.query('update callbacks set due_at = now() where due_at > now()')
      const { rows } = await pool.query(
        `select (select count(*) from interactions where due_at is not null)
              + (select count(*) from callbacks where due_at is not null) as due`,
      )
      return Number(rows[0].due) === 0
    },
    'nothing is due any more',
    60_000,
  )
}

/** What is on record afterwards, and what went over to the carrier. */
export async function lookAtRecords({ taps, server, twilio, atTwilio, atSimulator, count }: World): Promise<void> {
  const { rows } = await server.store.pool.query('select e::text as row from events e')
  for (const { row } of rows) taps.look('events', row)
  for (const line of server.logged) taps.look('log', line)
  for (const { method, path, query, form } of twilio.requests) {
    if (path.includes('/Calls')) taps.look('orders to the carrier', JSON.stringify([method, path, query, form]))
  }
  for (const { client, pools } of [atTwilio, atSimulator]) {
    for (const name of ['rich', 'late', 'outside'] as const) {
      const { recordings } = await client.get(`/maskline/v1/Services/${pools[name].sid}/Recordings?PageSize=100`)
      for (const { url, media_url } of recordings.slice(0, 3)) {
        const [about, media] = [url, media_url].map((address: string) => new URL(address).pathname)
        await client.get(about ?? '')
        // What faults of the carrier are left over are met here.
        const isFetched = async () => (await client.ask('GET', media ?? '')).status === 200
        await eventually(isFetched, 'the sound of a recording is fetched')
        count('recordings fetched')
      }
      const { sessions } = await client.get(`/v1/Services/${pools[name].sid}/Sessions?PageSize=20`)
      for (const { sid } of sessions) await client.get(`/v1/Services/${pools[name].sid}/Sessions/${sid}/Interactions`)
    }
    await client.get('/maskline/v1/Events?PageSize=100')
  }
}
