import { revokeApiKey } from '../../src/core/api-keys.ts'
import { CATALOGUE } from '../../src/core/errors.ts'
import { covers, type Scope, scopesOfRole } from '../../src/core/scopes.ts'
import { allBut, askedBy, askedByKey } from './callers.ts'
import { signedIn } from './console.ts'
import { type ApiOperation, collectionsOf, fillPath, hashOf, makeTree, operationsOf, type Tree } from './hostile.ts'
import { rows, withoutSweeper } from './proxy-api.ts'
import { makeAccount, type TestServer } from './server.ts'

/**
 * Asks for what is not there, or not the caller's, by every operation of the OpenAPI document, and holds every byte of the
 * answer but the request id against the one refusal that there is for it; and every table against what it was.
 */
export type Finding = { by: CaseName; operation: string; path: string; got: string }
export type Outcome = {
  asked: number
  findings: Finding[]
  /** Which operations a case should have asked, and did not. */
  left: string[]
}

type Question = { operation: ApiOperation; path: string; as: TestServer; code: 20003 | 20005 | 20006 | 20404 }
type Case = {
  /** Which operations it has to ask: those that name so many things. */
  names: number
  prepare: (server: TestServer, operations: ApiOperation[]) => Promise<Question[]>
}
export type CaseName = keyof typeof CASES

const AT_ONCE = 10
/** Nothing deletes an account. */
const STAYS = /\/Accounts\/\{Sid\}$/

const CASES = {
  'another account': { names: 1, prepare: anotherAccount },
  'another parent': { names: 2, prepare: anotherParent },
  'no such SID': { names: 1, prepare: noSuchSid },
  deleted: { names: 1, prepare: deleted },
  'no scope': { names: 0, prepare: noScope },
  'no credentials': { names: 0, prepare: noCredentials },
  'suspended account': { names: 0, prepare: suspended },
} satisfies Record<string, Case>

export async function lookNowhere(server: TestServer): Promise<Outcome> {
  const operations = await operationsOf(server)
  const outcome: Outcome = { asked: 0, findings: [], left: [] }
  for (const [by, { names, prepare }] of Object.entries(CASES) as [CaseName, Case][]) {
    const questions = await prepare(server, operations)
    const asked = new Set(questions.map(({ operation }) => operation))
    const due = operations.filter(
      ({ template }) => collectionsOf(template).length >= names && !(by === 'deleted' && STAYS.test(template)),
    )
    outcome.left.push(...due.filter((operation) => !asked.has(operation)).map((left) => `${by}: ${nameOf(left)}`))
    await withoutSweeper(server, async () => {
      const before = await digestOf(server)
      for (let at = 0; at < questions.length; at += AT_ONCE) {
        const findings = await Promise.all(questions.slice(at, at + AT_ONCE).map((question) => find(by, question)))
        outcome.findings.push(...findings.flat())
      }
      outcome.asked += questions.length
      const after = await digestOf(server)
      const changed = Object.keys(before).filter((table) => before[table] !== after[table])
      if (changed.length > 0) outcome.findings.push({ by, operation: '', path: '', got: `changed ${changed}` })
    })
  }
  return outcome
}

async function find(by: CaseName, question: Question): Promise<Finding[]> {
  const got = await ask(question)
  return got ? [{ by, operation: nameOf(question.operation), path: question.path, got }] : []
}

const nameOf = ({ method, template }: ApiOperation) => `${method} ${template}`

async function digestOf(server: TestServer): Promise<Record<string, string>> {
  return { ...(await hashOf(server)), events: (await rows(server, 'select count(*) from events'))[0].count }
}

/** Parameters that would do something, if the path led anywhere. */
const PARAMETERS = {
  UniqueName: 'intruder',
  FriendlyName: 'intruder',
  DefaultTtl: '60',
  PhoneNumber: '+12025559990',
  IsReserved: 'true',
  Ttl: '60',
  Status: 'closed',
  Identifier: '+14155559990',
  Body: 'Hello',
  OptOutWords: 'false',
  RingTimeout: '20',
}

/** Of everything that came, what should not have; undefined when the answer is the right one. */
async function ask({ operation, path, as, code }: Question): Promise<string | undefined> {
  const { method } = operation
  const answer = method === 'POST' ? await as.post(path, PARAMETERS) : await as.call(path, { method })
  const { status, message } = CATALOGUE[code]
  const expected = JSON.stringify({
    code,
    message: message.replace('{resource}', path.replace(/^\/v1/, '')),
    more_info: `https://www.twilio.com/docs/errors/${code}`,
    status,
  })
  if (answer.status !== status || answer.text !== expected) return `${answer.status} ${answer.text}`
  const headers = headersOf(answer.headers)
  const nowhere = await refusalAt(`${/^\/(maskline\/)?v1/.exec(path)?.[0]}/Nowhere`, as)
  // Whoever is let in finds nothing there; all others are refused in the same way there.
  const known = code === 20404 || code === 20006 ? 404 : status
  if (nowhere.status !== known) return `${nowhere.status} where nothing can be`
  return headers === nowhere.headers ? undefined : `${headers} instead of ${nowhere.headers}`
}

const asked = new WeakMap<TestServer, Map<string, { status: number; headers: string }>>()

/** What comes where nothing can be, asked once by everybody. */
async function refusalAt(path: string, as: TestServer) {
  const known = asked.get(as) ?? new Map()
  asked.set(as, known)
  if (!known.has(path)) {
    const { status, headers } = await as.call(path)
    known.set(path, { status, headers: headersOf(headers) })
  }
  return known.get(path) as { status: number; headers: string }
}

const headersOf = (headers: Headers) =>
  [...headers]
    .filter(([name]) => !/^(date|twilio-request-id|content-length)$/.test(name))
    .map(([name, value]) => `${name}: ${value}`)
    .sort()
    .join('\n')

const through = (
  operations: ApiOperation[],
  tree: Pick<Tree, 'sids'>,
  as: TestServer,
  code: Question['code'] = 20404,
) => operations.map((operation): Question => ({ operation, path: fillPath(operation.template, tree), as, code }))

const naming = (operations: ApiOperation[], ...collections: string[]) =>
  operations.filter(({ template }) => collectionsOf(template).some((one) => collections.includes(one)))

/** By token, by key and by a user of the console, of what is another's; and of what is one's own behind what is another's, and the other way round. */
async function anotherAccount(server: TestServer, operations: ApiOperation[]): Promise<Question[]> {
  const account = await makeAccount(server.store)
  const [mine, theirs] = [await makeTree(server), await makeTree(server, { account })]
  const main = await askedByKey(server, { type: 'main' })
  const user = await signedIn(server, { account_sid: server.account.sid })
  const those = operations.filter(({ template }) => collectionsOf(template).length > 0)
  const forUsers = those.filter(({ scopes }) => covers(scopesOfRole(user.user), new Set(scopes)))
  const mixed = Object.entries(theirs.sids).flatMap(([collection, sid]) =>
    through(naming(those, collection), { sids: { ...mine.sids, [collection]: sid } }, server),
  )
  const whole = [...through(those, theirs, server), ...through(those, theirs, main), ...through(forUsers, theirs, user)]
  return [...whole, ...mixed]
}

async function anotherParent(server: TestServer, operations: ApiOperation[]): Promise<Question[]> {
  const [tree, other] = [await makeTree(server), await makeTree(server)]
  const wrong = [...Object.entries(tree.siblings), ...Object.entries(other.sids), ...Object.entries(other.siblings)]
  return wrong.flatMap(([collection, sid]) => {
    const sids = { ...tree.sids, [collection]: sid }
    const isParent = ({ template }: ApiOperation) => collectionsOf(template).slice(0, -1).includes(collection)
    return through(operations.filter(isParent), { sids }, server)
  })
}

async function noSuchSid(server: TestServer, operations: ApiOperation[]): Promise<Question[]> {
  const tree = await makeTree(server)
  return Object.entries(tree.sids).flatMap(([collection, sid]) =>
    [
      sid.slice(0, -1),
      `${sid}0`,
      sid.toLowerCase(),
      `${sid.slice(0, 2)}${'f'.repeat(32)}`,
      `${sid.startsWith('KI') ? 'KC' : 'KI'}${sid.slice(2)}`,
      `${sid.slice(0, -1)}g`,
      encodeURIComponent(`${sid}\0`),
      encodeURIComponent(`${sid}' or ''='`),
      '%20',
    ].flatMap((wrong) =>
      through(naming(operations, collection), { sids: { ...tree.sids, [collection]: wrong } }, server),
    ),
  )
}

/** What goes with it; a removed participant can still be fetched, as at the vendor. */
const GOES = {
  Services: ['Services'],
  Sessions: ['Sessions'],
  PhoneNumbers: ['PhoneNumbers'],
  ShortCodes: ['ShortCodes'],
  Interactions: ['Interactions', 'MessageInteractions', 'Callbacks'],
  Recordings: ['Recordings'],
  Keys: ['Keys'],
  BlockedNumbers: ['BlockedNumbers'],
  Users: ['Users'],
}

async function deleted(server: TestServer, operations: ApiOperation[]): Promise<Question[]> {
  const questions: Question[] = []
  for (const [collection, gone] of Object.entries(GOES)) {
    const tree = await makeTree(server)
    const end = operations.find(
      ({ method, template }) => method === 'DELETE' && collectionsOf(template).at(-1) === collection,
    )
    if (!end) throw new Error(`Nothing deletes ${collection}`)
    // A number that is in use cannot be removed.
    if (collection === 'PhoneNumbers') await server.delete(fillPath('/v1/Services/{s}/Sessions/{s}', tree))
    const { status } = await server.delete(fillPath(end.template, tree))
    if (status !== 204) throw new Error(`${collection} was not deleted: ${status}`)
    questions.push(...through(naming(operations, ...gone), tree, server))
  }
  return questions
}

/** A key that may do all but this is refused alike where there is something and where there is not. */
async function noScope(server: TestServer, operations: ApiOperation[]): Promise<Question[]> {
  const tree = await makeTree(server)
  const nowhere = Object.entries(tree.sids).map(([name, sid]) => [name, `${sid.slice(0, 2)}${'f'.repeat(32)}`])
  const callers = new Map<Scope, TestServer>()
  for (const scope of new Set(operations.flatMap(({ scopes }) => scopes))) {
    const scopes = scope === 'reveal' ? allBut('reveal', 'pii') : allBut(scope)
    callers.set(scope, await askedByKey(server, { scopes }))
  }
  return [...callers].flatMap(([scope, caller]) => {
    const those = operations.filter(({ scopes }) => scopes.includes(scope))
    const hidden = { sids: Object.fromEntries(nowhere) as Record<string, string> }
    return [...through(those, tree, caller, 20006), ...through(those, hidden, caller, 20006)]
  })
}

/** Unknown, wrong, revoked and another's: all are told the same. */
async function noCredentials(server: TestServer, operations: ApiOperation[]): Promise<Question[]> {
  const tree = await makeTree(server)
  const revoked = await askedByKey(server, { type: 'main' })
  await revokeApiKey(server.store, revoked.key.sid)
  const { key } = await askedByKey(server, { type: 'main' })
  const { auth_token } = server.account
  const callers = [
    revoked,
    askedBy(server, key.sid, auth_token),
    askedBy(server, server.account.sid, `${auth_token}0`),
    askedBy(server, `AC${'f'.repeat(32)}`, auth_token),
    askedBy(server, `SK${'f'.repeat(32)}`, auth_token),
    askedBy(server, '', ''),
  ]
  return callers.flatMap((caller) => through(operations, tree, caller, 20003))
}

async function suspended(server: TestServer, operations: ApiOperation[]): Promise<Question[]> {
  const [busy, fresh] = [await makeAccount(server.store), await makeAccount(server.store)]
  const tree = await makeTree(server, { account: busy })
  const key = await askedByKey(server, { type: 'main' }, busy.sid)
  await rows(server, "update accounts set status = 'suspended' where sid = any($1)", [[busy.sid, fresh.sid]])
  const token = askedBy(server, fresh.sid, fresh.auth_token)
  return [...through(operations, tree, key, 20005), ...through(operations, tree, token, 20005)]
}
