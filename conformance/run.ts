/**
 * Starts Maskline, lets every official client do every call against it through a recording proxy, and prints one table.
 * `npx tsx conformance/run.ts --help` says more.
 */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readCommandLine, refuse } from '../proof/support/command-line.ts'
import { startTwilioApi } from '../test/support/twilio-api.ts'
import { checkCarrierRequests, exerciseAdapter } from './carrier-requests.ts'
import { CLIENTS, type Client } from './clients.ts'
import { startRecorder } from './recorder.ts'
import { startResponseCheck } from './response-check.ts'
import { numbersFor, startMaskline } from './server.ts'
import { type ClientResult, formatTable, judge } from './table.ts'
import { findMissingTool, installClient, installNodePackages, runClient } from './toolchain.ts'
import { listOperations, loadVendorDocument, type VendorDocument } from './vendor-document.ts'

const HELP = `Usage: npx tsx conformance/run.ts [options]

Runs the official client libraries against a Maskline of this checkout and checks every answer against the vendor's
OpenAPI document. Ends with 1 when anything fails.

  --only a,b       only these clients: ${CLIENTS.map(({ name }) => name).join(', ')}
  --require-all    a missing toolchain is a failure
  --json           one JSON document instead of the table
  --keep           keep the server's log and data, and say where
  --help           this text`

const COMMAND = 'npm run conformance --'

const { values: options } = readCommandLine(COMMAND, {
  options: {
    only: { type: 'string' },
    'require-all': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (options.help) console.log(HELP)
else process.exitCode = await main(chooseClients(options.only))

function chooseClients(only: string | undefined): Client[] {
  if (!only) return CLIENTS
  return only
    .split(',')
    .map((name) => CLIENTS.find((each) => each.name === name) ?? refuse(COMMAND, `There is no client ${name}.`))
}

async function main(clients: Client[]): Promise<number> {
  await installNodePackages()
  const document = loadVendorDocument('twilio_proxy_v1')
  const responses = startResponseCheck(document)
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'))
  const recorder = await startRecorder(responses.check, join(folder, 'recorder.sock'))
  const vendor = await startTwilioApi()
  try {
    say('preparing clients')
    const prepared = await Promise.all(clients.map(prepareOrExplain))
    say('running clients')
    const results = await runAll(prepared, { recorder, vendor, folder, document })
    await exerciseAdapter(vendor)
    const carrier = checkCarrierRequests(vendor)
    // Only the full set of clients makes every answer that a divergence is about.
    const isFull = results.length === CLIENTS.length && results.every(({ status }) => status === 'ran')
    const stale = isFull ? responses.unusedDivergences() : []
    return print(results, listOperations(document).length, [
      ...recorder.strangers().map((userAgent) => `requests by an unknown user agent: ${userAgent}`),
      ...stale.map(({ at }) => `divergence ${at} is no longer needed`),
      ...carrier.problems,
      ...(carrier.checked === 0 ? ['no carrier request was checked'] : []),
    ])
  } finally {
    recorder.stop()
    await vendor.stop()
    if (options.keep) say(`kept ${folder}`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

type Prepared = { client: Client; status: ClientResult['status']; reason: string }

async function prepareOrExplain(client: Client): Promise<Prepared> {
  try {
    const missing = await findMissingTool(client)
    if (!missing) await installClient(client)
    return { client, status: missing ? 'missing' : 'ran', reason: missing ? `\`${missing}\` does not work here` : '' }
  } catch (error) {
    return { client, status: 'not installed', reason: error instanceof Error ? error.message : String(error) }
  }
}

type Server = Awaited<ReturnType<typeof startMaskline>>

type Stage = {
  recorder: Awaited<ReturnType<typeof startRecorder>>
  /** Stands in for the vendor's messaging API: the simulated carrier has no short codes. */
  vendor: Awaited<ReturnType<typeof startTwilioApi>>
  folder: string
  document: VendorDocument
}

async function runAll(prepared: Prepared[], { recorder, vendor, folder, document }: Stage) {
  const account = { sid: `AC${randomBytes(16).toString('hex')}`, token: randomBytes(16).toString('hex') }
  const server = await startMaskline(folder, {
    MASKLINE_PUBLIC_URL: recorder.url,
    MASKLINE_DEV_ACCOUNT_SID: account.sid,
    MASKLINE_DEV_AUTH_TOKEN: account.token,
  })
  try {
    recorder.forwardTo(server.port)
    const apiKey = await makeApiKey(server, account.sid)
    const common = {
      CONFORMANCE_BASE_URL: recorder.url,
      CONFORMANCE_ACCOUNT_SID: account.sid,
      CONFORMANCE_AUTH_TOKEN: account.token,
      CONFORMANCE_API_KEY_SID: apiKey.sid,
      CONFORMANCE_API_KEY_SECRET: apiKey.secret,
      CONFORMANCE_SHORT_CODE_SID: await addShortCode(server, account.sid, vendor),
      CONFORMANCE_SOCKET: recorder.socketPath,
    }
    return await Promise.all(
      prepared.map(async ({ client, status, reason }, index) => {
        const environment = { ...common, CONFORMANCE_NUMBERS: numbersFor(index).join(',') }
        const output = status === 'ran' ? await runClient(client, environment) : undefined
        return judge({ client, status, reason, output, recording: recorder.recordings.get(client.name), document })
      }),
    )
  } finally {
    await server.stop()
  }
}

async function makeApiKey(server: Server, account: string) {
  const { stdout } = await server.command('keys', 'create', 'conformance', '--account', account, '--json')
  const [key] = JSON.parse(stdout) as { sid: string; secret: string }[]
  if (!key) throw new Error(`No key in ${stdout}`)
  return key
}

/** Connects the account to a second carrier, which has a short code. Returns the short code's SID. */
async function addShortCode(server: Server, account: string, vendor: Stage['vendor']) {
  const { account_sid, auth_token, url } = vendor
  const pairs = Object.entries({ account_sid, auth_token, base_url: url }).map(([name, value]) => `${name}=${value}`)
  await server.command('carriers', 'add', 'twilio', '--account', account, '--credential', ...pairs)
  return String(vendor.addNumber({ phone_number: '22395' }).sid)
}

function print(results: ClientResult[], documented: number, others: string[]): number {
  const isFailure = ({ status, failures }: ClientResult) =>
    failures.length > 0 || (status === 'missing' && options['require-all'])
  const failed = others.length > 0 || results.some(isFailure) || results.every(({ status }) => status !== 'ran')
  if (options.json) {
    console.log(JSON.stringify({ ok: !failed, documented, results, others }, null, 2))
    return failed ? 1 : 0
  }
  console.log(formatTable(results, documented))
  for (const { client, status, reason } of results)
    if (status === 'missing') console.log(`– ${client} is missing: ${reason}`)
  for (const { client, failures } of results) for (const failure of failures) console.log(`✗ ${client}: ${failure}`)
  for (const problem of others) console.log(`✗ ${problem}`)
  console.log(failed ? '\nfailed' : '\nall well')
  return failed ? 1 : 0
}

/** Progress goes where it does not mix with `--json`. */
function say(text: string) {
  console.error(`conformance: ${text}`)
}
