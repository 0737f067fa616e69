import { createApiKey } from '../../src/core/api-keys.ts'
import { SCOPE_NAMES, type Scope } from '../../src/core/scopes.ts'
import type { KeyType } from '../../src/db/schema.ts'
import type { TestServer } from './server.ts'

/** The server as somebody else asks it. */
export function askedBy(server: TestServer, user: string, password: string): TestServer {
  const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  const call: TestServer['call'] = (path, init = {}) =>
    server.call(path, { ...init, headers: { authorization, ...(init.headers as Record<string, string>) } })
  return {
    ...server,
    call,
    get: (path) => call(path),
    post: (path, params = {}, headers = {}) => server.post(path, params, { authorization, ...headers }),
    delete: (path) => call(path, { method: 'DELETE' }),
  }
}

export type Kind = { type: KeyType } | { scopes: Scope[] }

/** The server as a new key asks it. */
export async function askedByKey(server: TestServer, kind: Kind, account_sid = server.account.sid) {
  const scopes = 'scopes' in kind ? kind : undefined
  const type = 'type' in kind ? kind.type : 'restricted'
  const { key, secret } = await createApiKey(server.store, { account_sid, friendly_name: 'a key', type, ...scopes })
  return { ...askedBy(server, key.sid, secret), key, secret }
}

/** What comes with `pii` goes with it. */
export const allBut = (...left: Scope[]): Scope[] => SCOPE_NAMES.filter((scope) => !left.includes(scope))
