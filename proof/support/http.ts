import { Agent, request } from 'undici'

/** Any number of requests at once, each on a connection of its own while they last. */
const dispatcher = new Agent({ bodyTimeout: 120_000, headersTimeout: 120_000 })

// biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
export type Answer = { status: number; text: string; body: Record<string, any> }
export type Params = [name: string, value: string][]

export async function send(
  method: 'GET' | 'POST' | 'DELETE',
  url: string,
  headers: Record<string, string>,
  params?: Params,
): Promise<Answer> {
  const { statusCode, body } = await request(url, {
    method,
    headers: params ? { ...headers, 'content-type': 'application/x-www-form-urlencoded' } : headers,
    ...(params ? { body: new URLSearchParams(params).toString() } : {}),
    dispatcher,
  })
  const text = await body.text()
  return { status: statusCode, text, body: text.startsWith('{') ? JSON.parse(text) : {} }
}

export type Api = ReturnType<typeof apiOf>

/** One server's API for an account: `ask` takes whatever is answered, `post` only success. */
export function apiOf(url: string, account: { sid: string; auth_token: string }) {
  const authorization = `Basic ${Buffer.from(`${account.sid}:${account.auth_token}`).toString('base64')}`
  const ask = (method: 'GET' | 'POST' | 'DELETE', path: string, params?: Params) =>
    send(method, url + path, { authorization }, params)
  return {
    authorization,
    ask,
    async post(path: string, params: Params = []) {
      const answer = await ask('POST', path, params)
      if (answer.status >= 300) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`)
      return answer.body
    },
  }
}
