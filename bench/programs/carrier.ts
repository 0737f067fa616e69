import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { twilioSignature } from '../../src/core/signature.ts'
import { type Connection, formRequest, openConnection } from './connection.ts'
import { servedBy } from './parent.ts'

/**
 * A light stand-in for Twilio: it takes a message, and then reports that it was sent and that it was delivered, signed
 * and one after the other. What it is posted besides are the status callbacks of the customer's application, which it
 * takes too. A silent one answers nothing, and what is to be sent waits.
 */
export type CarrierOptions = { account_sid: string; auth_token: string; answers: boolean }

/** How many of each it has seen to the end. */
export type Counts = { sent: number; reported: number; callbacks: number }

const REPORTS = ['sent', 'delivered']
/** Twilio's come later still: what it answered is on record by then. */
const FIRST_REPORT_AFTER_MS = 100
const CONNECTIONS = 16
/** For what was brought already to be seen to the end. */
const LIMIT_MS = 60_000

servedBy(async (options: CarrierOptions) => {
  const counts: Counts = { sent: 0, reported: 0, callbacks: 0 }
  const failures: Record<string, number> = {}
  const watchers = new Set<() => void>()
  const count = (what: keyof Counts) => {
    counts[what]++
    for (const look of watchers) look()
  }
  const fail = (what: string) => {
    failures[what] = (failures[what] ?? 0) + 1
    for (const look of watchers) look()
  }
  const reporter = createReporter(options, () => count('reported'), fail)

  const server = createServer(async (request, response) => {
    if (!options.answers) return
    const form = await readForm(request)
    if (!request.url?.endsWith('/Messages.json')) {
      count('callbacks')
      return void response.writeHead(204).end()
    }
    const sid = `SM${randomBytes(16).toString('hex')}`
    answer(response, presentMessage(options, sid, form))
    count('sent')
    setTimeout(() => reporter.report(form.get('StatusCallback') ?? '', sid, form), FIRST_REPORT_AFTER_MS)
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))

  /** Resolves when so many of each were seen to the end; fails when anything did, or it takes too long. */
  const reach = (wanted: Partial<Counts>) =>
    new Promise<Counts>((resolve, reject) => {
      const settle = (problem?: string) => {
        watchers.delete(look)
        clearTimeout(timer)
        if (problem === undefined) resolve({ ...counts })
        else reject(new Error(problem))
      }
      const look = () => {
        const [failure] = Object.entries(failures)
        if (failure) settle(`a report failed ${failure[1]} times: ${failure[0]}`)
        else if (Object.entries(wanted).every(([what, least]) => counts[what as keyof Counts] >= least)) settle()
      }
      const overdue = () => settle(`of ${JSON.stringify(wanted)} only ${JSON.stringify(counts)} came about`)
      const timer = setTimeout(overdue, LIMIT_MS)
      watchers.add(look)
      look()
    })
  return { ready: { port: (server.address() as AddressInfo).port }, commands: { reach, counts: () => counts } }
})

type Report = { url: URL; sid: string; form: URLSearchParams; status: string; after: string[] }

function createReporter({ account_sid, auth_token }: CarrierOptions, done: () => void, fail: (what: string) => void) {
  const idle: Connection[] = []
  const waiting: Report[] = []
  let opened = 0

  const send = async (connection: Connection, report: Report) => {
    const { url, sid, form, status, after } = report
    const params = {
      SmsSid: sid,
      SmsStatus: status,
      MessageStatus: status,
      To: form.get('To') ?? '',
      MessageSid: sid,
      AccountSid: account_sid,
      From: form.get('From') ?? '',
      ApiVersion: '2010-04-01',
    }
    const signature = twilioSignature(auth_token, url.href, Object.entries(params))
    const headers = { 'x-twilio-signature': signature, 'user-agent': 'TwilioProxy/1.1' }
    const body = new URLSearchParams(params).toString()
    const reply = await connection.exchange(formRequest(url.pathname, headers, body))
    if (reply.status !== 200) return fail(`${reply.status} to ${status}`)
    const [next, ...rest] = after
    if (next === undefined) done()
    else waiting.push({ ...report, status: next, after: rest })
  }

  const work = async (report: Report) => {
    const connection = idle.pop() ?? (await openConnection(Number(report.url.port)))
    try {
      for (let next: Report | undefined = report; next; next = waiting.shift()) await send(connection, next)
      idle.push(connection)
    } finally {
      opened--
    }
  }

  return {
    report(address: string, sid: string, form: URLSearchParams) {
      const [status = '', ...after] = REPORTS
      const report = { url: new URL(address), sid, form, status, after }
      if (opened >= CONNECTIONS) return void waiting.push(report)
      opened++
      work(report).catch((error) => fail(String(error)))
    },
  }
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  return new URLSearchParams(Buffer.concat(chunks).toString())
}

function answer(response: ServerResponse, body: object) {
  response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

/** The fields that Twilio answers with, as far as anybody may look at them. */
const presentMessage = ({ account_sid }: CarrierOptions, sid: string, form: URLSearchParams) => ({
  sid,
  account_sid,
  to: form.get('To'),
  from: form.get('From'),
  body: form.get('Body'),
  status: 'queued',
  direction: 'outbound-api',
  num_media: '0',
  num_segments: '1',
  error_code: null,
  error_message: null,
  date_created: new Date().toUTCString(),
  date_sent: null,
  api_version: '2010-04-01',
})
