import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import twilio from 'twilio'
import { readConfig } from '../../src/config.ts'
import { createAccount } from '../../src/core/accounts.ts'
import { addCarrier } from '../../src/core/carriers.ts'
import { newSid } from '../../src/core/sid.ts'
import { createLogger } from '../../src/log.ts'
import { type Running, startServer as start } from '../../src/serve.ts'
import { startCheckingProxy } from './checking-proxy.ts'
import { createDatabase } from './database.ts'

export type TestServer = Awaited<ReturnType<typeof startServer>>

/** Numbers nobody has: the pool of a test, and the people in it. */
export const poolNumber = (at: number) => `+1202555${String(180 + at).padStart(4, '0')}`
export const person = (at: number) => `+1415555${String(130 + at).padStart(4, '0')}`

/**
 * A whole server on free ports, with a database of its own, an account on the simulator, and every answer held against
 * the OpenAPI document. `env` sets settings; `database_url` and `master_key` let a second server join the first.
 */
export async function startServer(
  t: Pick<TestContext, 'after'>,
  options: { env?: Record<string, string>; database_url?: string; master_key?: string; account?: Account } = {},
) {
  const database_url = options.database_url ?? (await createDatabase(t))
  const master_key = options.master_key ?? randomBytes(32).toString('hex')
  const data_dir = mkdtempSync(join(tmpdir(), 'maskline-server-'))
  const proxy = await startCheckingProxy(t)
  const env = {
    MASKLINE_PORT: '0',
    MASKLINE_PUBLIC_URL: proxy.url,
    MASKLINE_DATA_DIR: data_dir,
    MASKLINE_MASTER_KEY: master_key,
    MASKLINE_LOG_LEVEL: 'warn',
    MASKLINE_RATE_LIMIT: '0',
    MASKLINE_FLOOD_LIMIT: '0',
    MASKLINE_REPEAT_LIMIT: '0',
    DATABASE_URL: database_url,
    ...options.env,
  }
  const logged: string[] = []
  const log = createLogger(env.MASKLINE_LOG_LEVEL, { write: (line: string) => void logged.push(line) })
  const config = readConfig(env, 'dev')
  let account = options.account
  const running = await start(config, Buffer.from(master_key, 'hex'), {
    log,
    progress: () => undefined,
    drain_ms: 0,
    prepare: async (store) => {
      account ??= await makeAccount(store)
    },
  })
  let stopped = false
  const stop = async () => {
    if (stopped) return
    stopped = true
    await running.stop()
    rmSync(data_dir, { recursive: true, force: true })
  }
  t.after(stop)
  const direct = `http://127.0.0.1:${running.port}`
  await proxy.checkAgainst(direct)
  if (!account) throw new Error('no account')
  const client = clientOf(proxy.url, account)
  const { store } = running
  return {
    url: proxy.url,
    direct,
    store,
    stop,
    account,
    client,
    proxy,
    logged,
    database_url,
    master_key,
    ...talk(proxy.url, account),
  }
}

export type Account = { sid: string; auth_token: string; carrier_sid: string }

/** Another account, with a simulator of its own. */
export async function makeAccount(store: Running['store']): Promise<Account> {
  const sid = newSid('AC')
  const { auth_token } = await createAccount(store, { sid, friendly_name: 'test' })
  const carrier = await addCarrier(store, {
    account_sid: sid,
    kind: 'simulator',
    friendly_name: 'test',
    credentials: {},
  })
  return { sid, auth_token, carrier_sid: carrier.sid }
}

/** The vendor's own client, with nothing changed but the address. */
export function clientOf(url: string, account: { sid: string; auth_token: string }) {
  const client = twilio(account.sid, account.auth_token)
  client.proxy.baseUrl = url
  return client
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape
export type Answer = { status: number; headers: Headers; text: string; body: Record<string, any> }

function talk(url: string, account: Account) {
  const authorization = `Basic ${Buffer.from(`${account.sid}:${account.auth_token}`).toString('base64')}`
  const call = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const response = await fetch(url + path, {
      ...init,
      headers: { authorization, ...(init.headers as Record<string, string>) },
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json')
    return { status: response.status, headers: response.headers, text, body: isJson ? JSON.parse(text) : {} }
  }
  const form = (params: Record<string, string | string[]>) =>
    new URLSearchParams(
      Object.entries(params).flatMap(([name, value]) => [value].flat().map((one) => [name, one] as [string, string])),
    )
  return {
    get: (path: string) => call(path),
    post: (path: string, params: Record<string, string | string[]> = {}, headers: Record<string, string> = {}) =>
      call(path, { method: 'POST', body: form(params), headers }),
    delete: (path: string) => call(path, { method: 'DELETE' }),
    call,
    /** A handset texts a number; resolves once the server has taken it. */
    text: async (from: string, to: string, body: string, media_urls?: string[]): Promise<string> => {
      const json = JSON.stringify({ from, to, body, media_urls })
      const answer = await call('/simulator/messages', {
        method: 'POST',
        body: json,
        headers: { 'content-type': 'application/json' },
      })
      if (answer.status !== 202) throw new Error(`The simulator answered ${answer.status}: ${answer.text}`)
      return answer.body.sid
    },
    /** What a handset shows. */
    handset: async (number: string): Promise<HandsetMessage[]> =>
      (await call(`/simulator/handsets/${encodeURIComponent(number)}/messages`)).body.messages,
  }
}

export type HandsetMessage = {
  sid: string
  direction: 'inbound' | 'outbound'
  from: string
  to: string
  body: string
  media_urls: string[]
  date: string
}

/** Asks until the answer is there; what it never becomes fails the test with `what`. */
export async function eventually<T>(
  ask: () => Promise<T | undefined | false>,
  what: string,
  limit_ms = 10_000,
): Promise<T> {
  const deadline = Date.now() + limit_ms
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (Date.now() > deadline) throw new Error(`Not within ${limit_ms} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
