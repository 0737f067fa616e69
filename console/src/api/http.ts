/** A refusal in the words of the server. */
export class ApiError extends Error {
  readonly code: number
  readonly status: number
  readonly retry_after_s: number | undefined

  constructor(body: { code?: number; message?: string; status?: number }, status: number, retryAfter: string | null) {
    super(body.message ?? `The server answered ${status}.`)
    this.code = body.code ?? 0
    this.status = status
    this.retry_after_s = retryAfter ? Number(retryAfter) : undefined
  }
}

type Value = string | number | boolean | undefined
/** Parameters as the API spells them. A list is sent as one parameter several times. */
export type Params = Record<string, Value | readonly string[]>

let onSignedOut: () => void = () => undefined
/** Calls `then` whenever the server no longer knows who asks. */
export function whenSignedOut(then: () => void): void {
  onSignedOut = then
}

/** Asks for a path, with `params` in its query. Throws an `ApiError`. */
export const get = <Body>(path: string, params: Params = {}): Promise<Body> => send(withQuery(path, params), {})

/** Posts a form, as every changing request of the API is. */
export const post = <Body>(path: string, params: Params = {}): Promise<Body> =>
  send(path, { method: 'POST', body: toForm(params) })

/** Posts JSON, as the simulated phones take it. */
export const postJson = <Body>(path: string, body: object): Promise<Body> =>
  send(path, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } })

export const remove = (path: string, params: Params = {}): Promise<void> =>
  send(withQuery(path, params), { method: 'DELETE' })

export function withQuery(path: string, params: Params): string {
  const query = toForm(params).toString()
  return query ? `${path}${path.includes('?') ? '&' : '?'}${query}` : path
}

function toForm(params: Params): URLSearchParams {
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined) form.append(name, String(each))
  }
  return form
}

async function send<Body>(path: string, init: RequestInit): Promise<Body> {
  const answer = await fetch(path, { ...init, credentials: 'same-origin' }).catch(() => {
    throw new ApiError({ message: 'The server cannot be reached. Is it running?' }, 0, null)
  })
  if (answer.status === 204) return undefined as Body
  const text = await answer.text()
  const body = isJson(answer) ? JSON.parse(text) : {}
  if (answer.ok) return body
  if (answer.status === 401 && path !== '/console/session') onSignedOut()
  throw new ApiError(body, answer.status, answer.headers.get('Retry-After'))
}

const isJson = (answer: Response) => answer.headers.get('Content-Type')?.includes('json') ?? false
