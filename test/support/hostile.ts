import { createApiKey } from '../../src/core/api-keys.ts'
import { adoptNumber } from '../../src/core/phone-numbers.ts'
import type { Scope } from '../../src/core/scopes.ts'
import { newSid } from '../../src/core/sid.ts'
import { createUser } from '../../src/core/users.ts'
import { addPerson, makeService, newName, openSession, rows } from './proxy-api.ts'
import { type Account, person, type TestServer } from './server.ts'

/** One of everything, for the paths of every operation: by collection, the SID of what is in it. */
export type Tree = {
  path: string
  sids: Record<string, string>
  /** Others of the same parent, under which nothing of the tree is. */
  siblings: Record<string, string>
}

let codes = 55600

/** `server` says under which credentials, `owner` for which account the tree is made. */
export async function makeTree(server: TestServer, { account }: { account: Account } = server): Promise<Tree> {
  const authorization = `Basic ${Buffer.from(`${account.sid}:${account.auth_token}`).toString('base64')}`
  const as: TestServer = {
    ...server,
    account,
    post: (path, params = {}, headers = {}) => server.post(path, params, { authorization, ...headers }),
  }
  const service = await makeService(as, 2)
  const session = await openSession(as, service)
  const alice = await addPerson(as, session, person(1))
  const code = await adoptShortCode(server, account)
  await as.post(`${service.path}/ShortCodes`, { Sid: code.sid })
  const interaction = newSid('KI')
  await rows(
    server,
    `insert into interactions (service_sid, sid, account_sid, carrier_sid, session_sid, type, origin, outcome, outbound_participant_sid)
     values ($1, $2, $3, $4, $5, 'message', 'api', 'sent', $6)`,
    [service.sid, interaction, account.sid, account.carrier_sid, session.sid, alice.sid],
  )
  const recording = newSid('RE')
  await rows(
    server,
    `insert into recordings (service_sid, sid, account_sid, interaction_sid, kind, carrier_sid, carrier_recording_id,
                             source_url_sealed, duration_s)
     values ($1, $2, $3, $4, 'call', $5, $2, $6, 7)`,
    [
      service.sid,
      recording,
      account.sid,
      interaction,
      account.carrier_sid,
      server.store.keys.seal(`${recording}/source_url`, 'https://example.com/recording'),
    ],
  )
  const callback = newSid('CB')
  await rows(
    server,
    `insert into callbacks (service_sid, sid, account_sid, interaction_sid, url, interaction_date_updated)
     values ($1, $2, $3, $4, 'http://127.0.0.1:1/', now())`,
    [service.sid, callback, account.sid, interaction],
  )
  const { key } = await createApiKey(server.store, { account_sid: account.sid, friendly_name: 'of the tree' })
  const user = await createUser(server.store, { name: newName('user'), role: 'viewer', account_sid: account.sid })
  const blocked = await as.post(`/maskline${service.path}/BlockedNumbers`, { PhoneNumber: person(3) })
  const sids = {
    Services: service.sid,
    BlockedNumbers: blocked.body.sid,
    PhoneNumbers: service.numbers[0]?.sid ?? '',
    ShortCodes: code.sid,
    Sessions: session.sid,
    Participants: alice.sid,
    Interactions: interaction,
    MessageInteractions: interaction,
    Recordings: recording,
    Callbacks: callback,
    Keys: key.sid,
    Users: user.sid,
    Accounts: account.sid,
  }
  const sibling = await openSession(as, service)
  const bob = await addPerson(as, session, person(2))
  return { path: service.path, sids, siblings: { Sessions: sibling.sid, Participants: bob.sid } }
}

async function adoptShortCode({ store }: TestServer, { sid: account_sid, carrier_sid }: Account) {
  return await adoptNumber(
    store,
    { account_sid, carrier_sid },
    {
      carrier_number_sid: undefined,
      phone_number: String(codes++),
      friendly_name: 'code',
      iso_country: 'US',
      capabilities: { voice: false, sms: true, mms: true, fax: false },
      webhooks: {},
    },
  )
}

/**
 * The path of an operation through a tree; a parameter is named after the collection in front of it. Of a new collection
 * there has to be something in `makeTree`.
 */
export const fillPath = (template: string, { sids }: Pick<Tree, 'sids'>) =>
  template.replace(/(\w+)\/\{\w+\}/g, (_, collection: string) => {
    if (sids[collection] === undefined) throw new Error(`The tree has nothing in ${collection}`)
    return `${collection}/${sids[collection]}`
  })

export const collectionsOf = (template: string) =>
  [...template.matchAll(/(\w+)\/\{\w+\}/g)].map(([, name]) => name ?? '')

type Described = {
  security?: { account: Scope[] }[]
  requestBody?: { content: Record<string, { schema: { properties?: object } }> }
  parameters?: { name: string; in: string }[]
}
export type ApiOperation = { method: string; template: string; names: string[]; scopes: Scope[] }

/** Every operation that the server's own document describes: what its parameters are called, and which scopes it takes. */
export async function operationsOf(server: TestServer): Promise<ApiOperation[]> {
  const document = (await (await fetch(`${server.direct}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Described>>
  }
  return Object.entries(document.paths)
    .filter(([template]) => /^\/(v1|maskline)\//.test(template))
    .flatMap(([template, operations]) =>
      Object.entries(operations).map(([method, { requestBody, parameters = [], security = [] }]) => {
        const [content] = Object.values(requestBody?.content ?? {})
        const query = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name)
        return {
          method: method.toUpperCase(),
          template,
          scopes: security.flatMap(({ account }) => account),
          names: [...Object.keys(content?.schema.properties ?? {}), ...query],
        }
      }),
    )
}

/** What workers change on their own time, once something was done, and refusals record by design. */
const MOVING = [
  ...['events', 'callbacks', 'callback_attempts', 'callback_endpoints'],
  ...['audit_pending', 'audit_entries', 'audit_ends', 'key_uses'],
]
/** What carriers report on, and are asked to delete, at any time; and sessions of users, which say when they were last used. */
const COUNTED = ['interactions', 'recordings', 'user_sessions']

/** A digest of every table; of what is counted, how many there are, and how many deeds are on record. */
export async function hashOf(server: TestServer): Promise<Record<string, string>> {
  const tables = await rows(server, "select tablename as name from pg_tables where schemaname = 'public' order by 1")
  const columns = tables
    .map(({ name }) => name as string)
    .filter((name) => !MOVING.includes(name))
    .map((name) =>
      COUNTED.includes(name)
        ? `(select count(*)::text from ${name}) as ${name}`
        : `(select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from ${name} t) as ${name}`,
    )
  const callers = "actor in ('account', 'api-key', 'user')"
  const deeds = `(select count(*)::text from audit_log where ${callers} and action <> 'access.refuse') as deeds`
  return (await rows(server, `select ${[...columns, deeds].join(', ')}`))[0]
}
