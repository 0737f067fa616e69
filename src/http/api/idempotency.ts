import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { ProxyError } from '../../core/errors.ts'
import { inTransaction, type Store } from '../../core/store.ts'
import type { Form } from './form.ts'

/**
 * Does the work of a POST once per `Idempotency-Key`. The key is taken in the transaction that does the work: whoever
 * comes meanwhile waits for its commit and is given the same answer; a refusal or a crash leaves no key behind. Without
 * a key the work is done as it is asked for. Throws 20422 when a key comes back with another request.
 */
export async function once(request: FastifyRequest, work: (store: Store) => Promise<object>): Promise<object> {
  const key = idempotencyKey(request)
  if (key === undefined) return await work(request.store)
  const { account_sid } = request.caller
  const request_digest = digestOf(request)
  const place = `${account_sid}/idempotency/${key}`
  return await inTransaction(request.store, async (trx) => {
    const taken = await trx.db
      .insertInto('idempotency_keys')
      .values({ account_sid, key, request_digest })
      .onConflict((known) => known.doNothing())
      .returning('key')
      .executeTakeFirst()
    const keyed = <T extends { where: (column: 'account_sid' | 'key', is: '=', value: string) => T }>(query: T) =>
      query.where('account_sid', '=', account_sid).where('key', '=', key)
    if (!taken) {
      const known = await keyed(trx.db.selectFrom('idempotency_keys').selectAll()).executeTakeFirstOrThrow()
      if (!known.request_digest.equals(request_digest)) throw new ProxyError(20422, { parameter: 'Idempotency-Key' })
      return JSON.parse(trx.keys.open(place, known.body_sealed ?? Buffer.alloc(0)))
    }
    const body = await work(trx)
    await keyed(
      trx.db.updateTable('idempotency_keys').set({ body_sealed: trx.keys.seal(place, JSON.stringify(body)) }),
    ).execute()
    return body
  })
}

export function idempotencyKey(request: FastifyRequest): string | undefined {
  const key = request.headers['idempotency-key']
  if (key === undefined || key === '') return undefined
  if (typeof key === 'string' && /^[\x20-\x7e]{1,255}$/.test(key)) return key
  throw new ProxyError(20001, { message: 'Invalid Idempotency-Key. Send at most 255 printable ASCII characters.' })
}

function digestOf(request: FastifyRequest): Buffer {
  const parameters = [...((request.body as Form | undefined) ?? new Map())]
  return createHash('sha256')
    .update(JSON.stringify([request.url, parameters]))
    .digest()
}
