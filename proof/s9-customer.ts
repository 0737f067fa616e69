import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { drawPeople } from './people.ts'
import type { Random } from './random.ts'
import { type Conversation, converse, type Deployment, makeService } from './support/deployment.ts'
import type { Scope } from './support/scope.ts'

const CONVERSATIONS = 12
/** Where a failure blocks. */
const FEW = 4

/** What a customer's application does when it is asked whether something may pass, and does not answer yes or no. */
export const FAILURES = [
  'silent',
  'resets',
  'answers 503',
  'redirects',
  'never ends',
  'no HTTP',
  'nobody there',
] as const
export type Failure = (typeof FAILURES)[number]

const BEHAVIOURS: Record<'yes' | 'no' | Exclude<Failure, 'nobody there'>, RequestListener> = {
  yes: (_, response) => void response.end(),
  no: (_, response) => void response.writeHead(403).end(),
  silent: () => undefined,
  resets: (request) => void request.socket.resetAndDestroy(),
  'answers 503': (_, response) => void response.writeHead(503).end(),
  redirects: (_, response) => void response.writeHead(302, { location: '/yes' }).end(),
  'never ends': (_, response) => void response.write('it is all right, and furthermore'),
  'no HTTP': (request) => void request.socket.end('220 mail.example\r\n'),
}

/** A customer's application: where it does what. */
async function startCustomer(scope: Scope) {
  const server = createServer((request, response) => {
    const name = decodeURIComponent(request.url?.slice(1) ?? '')
    request.resume().once('end', () => BEHAVIOURS[name as keyof typeof BEHAVIOURS](request, response))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  scope.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    where: (it: keyof typeof BEHAVIOURS | Failure) =>
      it === 'nobody there' ? 'http://127.0.0.1:1/' : `http://127.0.0.1:${port}/${encodeURIComponent(it)}`,
  }
}

export type Conversations = [Conversation, ...Conversation[]]

/** Some whose customer is asked about nothing, and some for each thing that one who is asked may do. */
export async function startServices(scope: Scope, { servers: [{ api }] }: Deployment, random: Random) {
  const { where } = await startCustomer(scope)
  const people = drawPeople(random, 6 * CONVERSATIONS + 2 * FEW * (FAILURES.length + 1))
  const start = async (asks?: Parameters<typeof where>[0], count = CONVERSATIONS) => {
    const service = await makeService(api, 2, asks ? [['InterceptCallbackUrl', where(asks)]] : [])
    const conversations: Conversation[] = []
    for (let at = 0; at < count; at++) {
      conversations.push(await converse(api, service, [people.pop() ?? '', people.pop() ?? '']))
    }
    return { service, conversations: conversations as Conversations }
  }
  const startStrict = async (asks: Failure | 'yes') => {
    const { service, conversations } = await start(asks, FEW)
    await api.post(`/maskline${service.path}/Settings`, [['InterceptFailure', 'block']])
    return conversations
  }
  const strict = new Map<Failure, Conversations>()
  for (const failure of FAILURES) strict.set(failure, await startStrict(failure))
  const [plain, silent, blocked] = [await start(), await start('silent'), await start('no')]
  return {
    ...{ plain: plain.conversations, silent: silent.conversations, blocked: blocked.conversations },
    ...{ agreed: await startStrict('yes'), strict },
  }
}
