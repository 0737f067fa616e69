import type { Account } from '../../test/support/server.ts'

/** A client of the server's API for one of its accounts. What is not answered with success is the run's own fault. */
export type Client = ReturnType<typeof clientOf>

// biome-ignore lint/suspicious/noExplicitAny: bodies of every shape
type Body = Record<string, any>
export type Answer = { status: number; text: string; body: Body }

export function clientOf(base: string, { sid, auth_token }: Account) {
  const authorization = `Basic ${Buffer.from(`${sid}:${auth_token}`).toString('base64')}`
  /** Whatever is answered. */
  async function ask(method: string, path: string, content?: URLSearchParams | object): Promise<Answer> {
    const isForm = content instanceof URLSearchParams
    const response = await fetch(base + path, {
      method,
      headers: { authorization, ...(content && !isForm ? { 'content-type': 'application/json' } : {}) },
      ...(content ? { body: isForm ? content : JSON.stringify(content) } : {}),
    })
    const text = await response.text()
    return { status: response.status, text, body: text.startsWith('{') ? JSON.parse(text) : {} }
  }
  async function expect(method: string, path: string, content?: URLSearchParams | object): Promise<Body> {
    const { status, text, body } = await ask(method, path, content)
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`)
    return body
  }
  return {
    ask,
    get: (path: string) => expect('GET', path),
    post: (path: string, params: [name: string, value: string][] = []) =>
      expect('POST', path, new URLSearchParams(params)),
    json: (path: string, body: object) => expect('POST', path, body),
    delete: (path: string) => expect('DELETE', path),
  }
}
