import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TwilioAccount, twilioAccount } from './twilio-account.ts'
import type { World } from './twilio-call-legs.ts'
import { getCall, listCalls, updateCall } from './twilio-call-resource.ts'
import { twilioCalls } from './twilio-calls.ts'
import { VendorError } from './twilio-numbers.ts'
import { presentRecording } from './twilio-recordings.ts'
import { twilioWebhooks } from './twilio-webhooks.ts'

/**
 * A local server that speaks Twilio's REST wire format. The account behind it is in `twilio-account.ts`, the webhooks
 * it posts are in `twilio-webhooks.ts`. It knows nothing of our code, and what it signs is signed by the vendor's package.
 */
export type RecordedRequest = {
  method: string
  path: string
  /** The path as the vendor's OpenAPI document spells it, or undefined for one it does not have. */
  template: string | undefined
  path_params: Record<string, string>
  query: [name: string, value: string][]
  form: [name: string, value: string][]
  headers: Record<string, string | string[] | undefined>
}

/** What to do to one request. `stored` carries it out first, as when the answer is lost on its way back. */
export type Fault = { stored?: boolean } & (
  | { kind: 'error'; status: number; code?: number; message?: string; headers?: Record<string, string>; body?: string }
  | { kind: 'hang' }
  | { kind: 'stall' }
  | { kind: 'reset' }
  | { kind: 'garbled' }
)

type Answer = { status: number; body?: unknown; bytes?: Buffer; headers?: Record<string, string> }
type Handler = (account: TwilioAccount, request: RecordedRequest, origin: string, world: World) => Answer

const ACCOUNT = '/2010-04-01/Accounts/{AccountSid}'

const ROUTES: [method: string, template: string, handler: Handler][] = [
  ['GET', '/2010-04-01/Accounts/{Sid}.json', (account) => ({ status: 200, body: account.present() })],
  ['POST', `${ACCOUNT}/Messages.json`, (account, { form }) => ({ status: 201, body: account.createMessage(form) })],
  ['GET', `${ACCOUNT}/Messages.json`, (account, { query }) => ({ status: 200, body: account.listMessages(query) })],
  ['GET', `${ACCOUNT}/IncomingPhoneNumbers.json`, (account, { query }) => ok(account.listNumbers(query))],
  ['GET', `${ACCOUNT}/IncomingPhoneNumbers/{Sid}.json`, (account, r) => ok(account.getNumber(sidOf(r)))],
  ['POST', `${ACCOUNT}/IncomingPhoneNumbers/{Sid}.json`, (account, r) => ok(account.updateNumber(sidOf(r), r.form))],
  ['GET', `${ACCOUNT}/SMS/ShortCodes/{Sid}.json`, (account, r) => ok(account.getNumber(sidOf(r)))],
  ['POST', `${ACCOUNT}/SMS/ShortCodes/{Sid}.json`, (account, r) => ok(account.updateNumber(sidOf(r), r.form))],
  ['GET', `${ACCOUNT}/Messages/{MessageSid}/Media/{Sid}`, redirectToMedia],
  ['GET', `${ACCOUNT}/Calls.json`, (_account, { query }, _origin, world) => ok(listCalls(world, query))],
  ['GET', `${ACCOUNT}/Calls/{Sid}.json`, (_account, r, _origin, world) => ok(getCall(world, sidOf(r)))],
  ['POST', `${ACCOUNT}/Calls/{Sid}.json`, (_account, r, _origin, world) => ok(updateCall(world, sidOf(r), r.form))],
  ['GET', `${ACCOUNT}/Recordings/{Sid}.json`, getRecording],
  ['DELETE', `${ACCOUNT}/Recordings/{Sid}.json`, deleteRecording],
  ['GET', `${ACCOUNT}/Recordings/{Sid}`, redirectToRecording],
  ['GET', `${ACCOUNT}/Recordings/{Sid}.wav`, redirectToRecording],
  ['GET', `${ACCOUNT}/Recordings/{Sid}.mp3`, redirectToRecording],
  ['GET', '/cdn/{Sid}', serveMedia],
  ['GET', '/cdn/{Sid}.mp3', serveMp3],
]

export async function startTwilioApi(
  t?: { after(stop: () => Promise<void>): void },
  options: { account_sid?: string; auth_token?: string; onRequest?: (request: RecordedRequest) => void } = {},
) {
  const account = twilioAccount(options)
  const requests: RecordedRequest[] = []
  const faults: Fault[] = []
  const webhooks = twilioWebhooks(account)
  const { world, ...calls } = twilioCalls(account, webhooks, () => url)

  const server = createServer(async (incoming, response) => {
    const request = await readRequest(incoming)
    const handle = routeOf(request)
    requests.push(request)
    options.onRequest?.(request)
    const origin = `http://${incoming.headers.host}`
    const fault = request.path.startsWith('/cdn/') ? undefined : faults.shift()
    const answer = fault && !fault.stored ? undefined : answerTo(account, request, handle, origin, world)
    if (fault) inflict(fault, request, response)
    else if (answer) send(response, answer)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  const stop = () =>
    new Promise<void>((stopped) => {
      server.close(() => stopped())
      server.closeAllConnections()
    })
  t?.after(stop)

  return Object.assign(webhooks, calls, {
    url,
    account_sid: account.account_sid,
    auth_token: account.auth_token,
    account,
    /** Every message in the account, sent and received. */
    messages: account.messages,
    numbers: account.numbers,
    addNumber: account.addNumber,
    /** The messages sent through the API, oldest first. */
    sent: () => account.messages.filter((message) => message.direction === 'outbound-api'),
    /** The next message sent through the API that no earlier call has returned. */
    nextSent: account.nextSent,
    /** Puts bytes behind a protected address, which redirects to an open one or to `location`, and returns it. */
    addMedia: (media: { content_type: string; bytes: Buffer; location?: string }) => account.addMedia(media, url),
    requests,
    /** The next API request meets this fault. Several queue up. */
    failNext: (...next: Fault[]) => void faults.push(...next),
    stop,
  })
}

function answerTo(
  account: TwilioAccount,
  request: RecordedRequest,
  handle: Handler | undefined,
  origin: string,
  world: World,
): Answer {
  try {
    if (!request.path.startsWith('/cdn/')) authenticate(account, request)
    if (!handle) throw new VendorError(404, 20404, `The requested resource ${request.path} was not found`)
    return handle(account, request, origin, world)
  } catch (error) {
    if (!(error instanceof VendorError)) throw error
    return vendorError(error.status, error.code, error.message)
  }
}

function authenticate(account: TwilioAccount, { headers, path_params }: RecordedRequest) {
  const expected = `Basic ${Buffer.from(`${account.account_sid}:${account.auth_token}`).toString('base64')}`
  if (headers.authorization !== expected) throw new VendorError(401, 20003, 'Authenticate')
  const owner = path_params.AccountSid ?? path_params.Sid
  if (owner !== account.account_sid) throw new VendorError(404, 20404, 'The requested resource was not found')
}

function inflict(fault: Fault, request: RecordedRequest, response: ServerResponse) {
  if (fault.kind === 'hang') return
  if (fault.kind === 'reset') return void response.socket?.resetAndDestroy()
  if (fault.kind === 'garbled') return void response.writeHead(201).end('<html>201 Created</html>')
  if (fault.kind === 'stall') {
    response.writeHead(201, { 'content-type': 'application/json', 'content-length': '1000' })
    return void response.write('{"sid": "')
  }

  const to = request.form.find(([name]) => name === 'To')?.[1] ?? ''
  const message = fault.message ?? `The request about ${to} cannot be carried out`
  const { body } = vendorError(fault.status, fault.code ?? 0, message)
  const bytes = Buffer.from(fault.body ?? (fault.code === undefined ? '' : JSON.stringify(body)))
  send(response, { status: fault.status, bytes, ...(fault.headers && { headers: fault.headers }) })
}

const ok = (body: unknown): Answer => ({ status: 200, body })
const sidOf = ({ path_params }: RecordedRequest) => path_params.Sid ?? ''

const vendorError = (status: number, code: number, message: string): Answer => ({
  status,
  body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
})

function redirectToMedia(account: TwilioAccount, request: RecordedRequest, origin: string): Answer {
  const media = account.getMedia(sidOf(request))
  return { status: 307, headers: { location: media.location ?? `${origin}/cdn/${sidOf(request)}` } }
}

function serveMedia(account: TwilioAccount, request: RecordedRequest): Answer {
  const { content_type, bytes } = account.getMedia(sidOf(request))
  return { status: 200, bytes, headers: { 'content-type': content_type } }
}

function getRecording(account: TwilioAccount, request: RecordedRequest, origin: string): Answer {
  return ok(presentRecording(account.account_sid, origin, account.getRecording(sidOf(request))))
}

function deleteRecording(account: TwilioAccount, request: RecordedRequest): Answer {
  account.deleteRecording(sidOf(request))
  return { status: 204 }
}

function redirectToRecording(account: TwilioAccount, request: RecordedRequest, origin: string): Answer {
  const { sid } = account.getRecording(sidOf(request))
  const ending = request.path.endsWith('.mp3') ? '.mp3' : ''
  return { status: 302, headers: { location: `${origin}/cdn/${sid}${ending}` } }
}

/** Silence too, though not as long: one frame of MPEG-1 layer III. */
function serveMp3(account: TwilioAccount, request: RecordedRequest): Answer {
  account.getRecording(sidOf(request))
  const bytes = Buffer.concat([Buffer.from([0xff, 0xfb, 0x90, 0x00]), Buffer.alloc(413)])
  return { status: 200, bytes, headers: { 'content-type': 'audio/mpeg' } }
}

function send(response: ServerResponse, { status, body, bytes, headers }: Answer) {
  const content = bytes ?? (body === undefined ? '' : JSON.stringify(body))
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(content)
}

async function readRequest(incoming: IncomingMessage): Promise<RecordedRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const url = new URL(incoming.url ?? '/', 'http://localhost')
  const isForm = incoming.headers['content-type']?.startsWith('application/x-www-form-urlencoded')
  return {
    method: incoming.method ?? '',
    path: url.pathname,
    template: undefined,
    path_params: {},
    query: [...url.searchParams],
    form: isForm ? [...new URLSearchParams(Buffer.concat(chunks).toString('utf8'))] : [],
    headers: incoming.headers,
  }
}

function routeOf(request: RecordedRequest): Handler | undefined {
  for (const [method, template, handler] of ROUTES) {
    const pattern = template.replaceAll('.', '\\.').replaceAll(/\{(\w+)\}/g, '(?<$1>[^/.]+)')
    const match = new RegExp(`^${pattern}$`).exec(request.path)
    if (!match || method !== request.method) continue
    request.template = template
    request.path_params = { ...match.groups }
    return handler
  }
  return undefined
}
