import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { createApiKey } from '../../src/core/api-keys.ts'
import { addCarrier } from '../../src/core/carriers.ts'
import { dataFolder, type Env } from '../../test/support/cli.ts'
import { startReceiver } from '../../test/support/receiver.ts'
import { eventually, person, poolNumber } from '../../test/support/server.ts'
import { startTwilioApi } from '../../test/support/twilio-api.ts'
import type { Break } from '../support/broken-copy.ts'
import { programWith } from '../support/broken-copy.ts'
import { makeAccount } from '../support/deployment.ts'
import { type Api, apiOf } from '../support/http.ts'
import type { Scope } from '../support/scope.ts'
import { startServerProcess } from '../support/server-process.ts'
import { withStore } from '../support/with-store.ts'
import type { Canary } from './canaries.ts'
import { signIn } from './sign-in.ts'

/**
 * A server on a PostgreSQL of its own that logs all it can, with people who text, send pictures, call and are recorded, at a
 * stand-in for Twilio and on the simulated network; and somebody who signs in to the console; and whose clients and applications fail in every way that has to do
 * with people. What is confidential in it is known: the canaries.
 */
export type PrivateWorld = {
  env: Env
  data_dir: string
  canaries: Canary[]
  /** What the database has, and nobody else may see. */
  hashes: Canary[]
  people: string[]
  /** What was answered to requests that were refused, or failed. */
  errors: string[]
  /** All lines so far. */
  logged: string[]
  api: Api
}

export async function startPrivateWorld(scope: Scope, size: number, breaks?: Break[]): Promise<PrivateWorld> {
  const data_dir = dataFolder(scope)
  const master_key = randomBytes(32).toString('hex')
  const env: Env = {
    MASKLINE_DATA_DIR: data_dir,
    MASKLINE_MASTER_KEY: master_key,
    MASKLINE_NUMBER_VALIDATION: 'possible',
    MASKLINE_SIMULATOR: 'true',
    MASKLINE_LOG_LEVEL: 'trace',
    MASKLINE_CALLBACK_ALLOW: '127.0.0.0/8',
  }
  const logged: string[] = []
  const server = await startServerProcess(scope, {
    ...programWith(scope, breaks),
    env,
    heard: (line) => logged.push(line),
  })
  const twilio = await startTwilioApi({ after: (stop) => scope.after(stop) })
  const { account_sid, auth_token, url: base_url } = twilio
  const carrierSecret = randomBytes(16).toString('hex')
  const [account, simulated] = [await makeAccount(env, { account_sid, auth_token, base_url }), await makeAccount(env)]
  const key = await withStore(env, async (store) => {
    const credentials = { account_sid, auth_token: carrierSecret, base_url }
    await addCarrier(store, { account_sid: account.sid, kind: 'twilio', friendly_name: 'unused', credentials })
    return await createApiKey(store, { account_sid: account.sid, friendly_name: 'a key' })
  })
  const secrets = [master_key, auth_token, carrierSecret, account.auth_token, simulated.auth_token, key.secret]
  const canaries: Canary[] = secrets.map((text) => ({ kind: 'secret', text }))
  const answer = newWords()
  canaries.push({ kind: 'answer', text: answer })
  const world: PrivateWorld & Parts = {
    ...{ env, data_dir, canaries, hashes: [], people: [], errors: [], logged },
    api: apiOf(server.url, account),
    ...{ twilio, url: server.url, simulated: { ...simulated, api: apiOf(server.url, simulated) } },
    application: await startReceiver(scope as unknown as TestContext, ({ target }) => ({
      status: target === '/failing' ? 500 : 200,
      ...(target !== '/intercept' && { body: answer }),
    })),
  }
  await text(world, size)
  await call(world)
  await signIn(world, server.url)
  await fail(world, key)
  await settle(world)
  return world
}

type Parts = {
  twilio: Awaited<ReturnType<typeof startTwilioApi>>
  url: string
  simulated: { sid: string; auth_token: string; api: Api }
  application: Awaited<ReturnType<typeof startReceiver>>
}
type World = PrivateWorld & Parts

let met = 0
function newPerson(world: World): string {
  const number = person(100 + met++)
  world.people.push(number)
  world.canaries.push({ kind: 'number', text: number })
  return number
}

const newWords = () => `canary ${randomBytes(9).toString('hex')}`

function words({ canaries }: World): string {
  const text = newWords()
  canaries.push({ kind: 'words', text })
  return text
}

/** Texts with and without pictures, from the API and from strangers who are blocked then; of one a number is taken out. */
async function text(world: World, size: number) {
  const { api, twilio, application } = world
  const { sid } = await api.post('/v1/Services', [
    ['UniqueName', 'texts'],
    ['CallbackUrl', `${application.url}/status`],
    ['InterceptCallbackUrl', `${application.url}/intercept`],
    ['OutOfSessionCallbackUrl', `${application.url}/failing`],
  ])
  await api.post(`/maskline/v1/Services/${sid}/Settings`, [['ContentGuardOwnNumber', 'redact']])
  const numbers = [poolNumber(0), poolNumber(1)] as const
  for (const phone_number of numbers) {
    twilio.addNumber({ phone_number })
    await api.post(`/v1/Services/${sid}/PhoneNumbers`, [['PhoneNumber', phone_number]])
  }
  for (let at = 0; at < size; at++) {
    const people = [newPerson(world), newPerson(world)] as const
    const both = people.map((Identifier, side): [string, string] => [
      'Participants',
      JSON.stringify({ Identifier, ProxyIdentifier: numbers[side] }),
    ])
    const session = await api.post(`/v1/Services/${sid}/Sessions`, both)
    const path = `/v1/Services/${sid}/Sessions/${session.sid}`
    const mediaUrls = [twilio.addMedia({ content_type: 'image/png', bytes: Buffer.from(words(world)) })]
    await twilio.receive({ from: people[0], to: numbers[0], body: words(world) })
    await twilio.receive({ from: people[0], to: numbers[0], body: `${words(world)} is at ${people[0]}` })
    await twilio.receive({ from: people[1], to: numbers[1], body: words(world), mediaUrls })
    const { participants } = (await api.ask('GET', `${path}/Participants`)).body
    await api.post(`${path}/Participants/${participants[0].sid}/MessageInteractions`, [['Body', words(world)]])
    const stranger = newPerson(world)
    await twilio.receive({ from: stranger, to: numbers[at % 2] ?? '', body: words(world) })
    await api.post(`/maskline/v1/Services/${sid}/BlockedNumbers`, [['PhoneNumber', stranger]])
  }
}

/** A call that is recorded, on the simulated network, and one that nobody takes. */
async function call(world: World) {
  const { simulated, application } = world
  const { api } = simulated
  const { sid } = await api.post('/v1/Services', [
    ['UniqueName', 'calls'],
    ['CallbackUrl', `${application.url}/intercept`],
  ])
  await api.post(`/maskline/v1/Services/${sid}/Settings`, [['Recording', 'true']])
  const numbers = [poolNumber(2), poolNumber(3)] as const
  for (const number of numbers) await api.post(`/v1/Services/${sid}/PhoneNumbers`, [['PhoneNumber', number]])
  const people = [newPerson(world), newPerson(world)] as const
  await api.post(
    `/v1/Services/${sid}/Sessions`,
    people.map((Identifier, side): [string, string] => [
      'Participants',
      JSON.stringify({ Identifier, ProxyIdentifier: numbers[side] }),
    ]),
  )
  const ask = async (path: string, json: object) => {
    const authorization = `Basic ${Buffer.from(`${simulated.sid}:${simulated.auth_token}`).toString('base64')}`
    const headers = { authorization, 'content-type': 'application/json' }
    const answer = await fetch(`${world.url}/simulator${path}`, { method: 'POST', body: JSON.stringify(json), headers })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return (await answer.json().catch(() => ({}))) as { sid: string }
  }
  const pass = (advance_s: number) => ask('/clock', { advance_s, stopped: true })
  const made = await ask('/calls', { from: people[0], to: numbers[0] })
  await pass(0)
  await ask(`/calls/${made.sid}/answer`, { number: people[1] })
  await pass(7)
  await ask(`/calls/${made.sid}/hangup`, { number: people[1] })
  await pass(0)
  await ask('/calls', { from: people[1], to: numbers[1] })
  await pass(90)
}

/** Refusals and failures with people's numbers and somebody's password in them. */
async function fail(world: World, key: { key: { sid: string }; secret: string }) {
  const { api, people, errors, url, twilio } = world
  const [alice = '', bob = ''] = people
  const third = newPerson(world)
  const { services } = (await api.ask('GET', '/v1/Services')).body
  const sessions = `/v1/Services/${services[0].sid}/Sessions`
  const participants = (...those: object[]) =>
    those.map((one): [string, string] => ['Participants', JSON.stringify(one)])
  const { sid } = await api.post(sessions)
  // Whoever has all of a pool's numbers is given no other.
  const busy = newPerson(world)
  for (const _ of [0, 1]) await api.post(sessions, participants({ Identifier: busy }))
  const keyed = apiOf(url, { sid: key.key.sid, auth_token: key.secret })
  const answers = [
    await api.ask('POST', sessions, participants({ Identifier: busy })),
    await api.ask('POST', sessions, participants({ Identifier: alice }, { Identifier: bob }, { Identifier: third })),
    await api.ask('POST', sessions, participants({ Identifier: alice, ProxyIdentifier: poolNumber(0) })),
    await api.ask('POST', sessions, participants({ Identifier: `${third}0000` })),
    await api.ask('POST', sessions, participants({ Identifier: `tel:${third}` })),
    await api.ask('POST', sessions, participants({ Identifier: poolNumber(1) })),
    await api.ask('POST', sessions, [['Participants', `{"Identifier":"${third}"`]]),
    await api.ask('POST', sessions, [['Mode', third]]),
    await api.ask('POST', `${sessions}/${sid}/Participants`, [['Identifier', `${alice}99`]]),
    await api.ask('POST', '/maskline/v1/Privacy/Erase', [['Identifier', `${third}000000`]]),
    await keyed.ask('GET', `/v1/Services/${third}`),
    await apiOf(url, { sid: key.key.sid, auth_token: `${key.secret}0` }).ask('GET', '/v1/Services'),
  ]
  // A fault of the database, which quotes the row that it did not take.
  await query(world, 'alter table participants add constraint never check (false) not valid')
  answers.push(await api.ask('POST', sessions, participants({ Identifier: third })))
  answers.push(await api.ask('POST', `${sessions}/${sid}/Participants`, [['Identifier', third]]))
  await query(world, 'alter table participants drop constraint never')
  await query(world, 'alter table interactions add constraint never check (false) not valid')
  await twilio.receive({ from: alice, to: poolNumber(0), body: words(world) }).catch(() => undefined)
  await query(world, 'alter table interactions drop constraint never')
  for (const { status, text: body } of answers) {
    if (status < 400) throw new Error(`this was to be refused: ${body}`)
    errors.push(body)
  }
  const exported = await api.post('/maskline/v1/Privacy/Export', [['Identifier', alice]])
  if (exported.participants.length === 0) throw new Error('the export is empty')
}

/** Looks into the database as its owner. */
export const query = <Row extends object>({ env }: Pick<PrivateWorld, 'env'>, statement: string) =>
  withStore(env, async ({ pool }) => (await pool.query<Row>(statement)).rows)

async function settle(world: World) {
  await query(world, 'update callbacks set due_at = null where due_at is not null and attempts > 0')
  const due = `select (select count(*) from interactions where due_at is not null and type = 'message')
    + (select count(*) from callbacks where due_at is not null and attempts = 0) as due`
  await withStore(world.env, ({ pool }) =>
    eventually(async () => Number((await pool.query(due)).rows[0].due) === 0, 'nothing is due any more', 60_000),
  )
}
