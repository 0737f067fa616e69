import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import * as blocked from '../core/blocked-numbers.ts'
import { missingParameter } from '../core/errors.ts'
import { isSid } from '../core/sid.ts'
import type { Store } from '../core/store.ts'
import { parseForm } from './api/form.ts'
import { once } from './api/idempotency.ts'
import { PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { DateTime, Plain, presentDate, SidOf, Url } from './api/present.ts'
import { formOf, notFound, queryOf, route } from './api/route.ts'
import { getService } from './api/services.ts'
import type { HttpContext } from './context.ts'

const Create = Type.Object({
  PhoneNumber: Type.String({ description: 'Whose messages and calls are not passed on, as in +12025550123.' }),
})

const BlockedNumberBody = Type.Object({
  sid: SidOf('BN'),
  account_sid: SidOf('AC'),
  service_sid: SidOf('KS'),
  // Without its middle for everybody, so there is no more to hide.
  phone_number: Plain,
  date_created: DateTime,
  url: Url,
})

const urlOf = ({ rules }: Store, service_sid: string) =>
  `${rules.public_url}/maskline/v1/Services/${service_sid}/BlockedNumbers`

const presentBlocked =
  (store: Store) =>
  ({ masked, ...row }: blocked.ListedNumber) => ({
    sid: row.sid,
    account_sid: row.account_sid,
    service_sid: row.service_sid,
    phone_number: masked,
    date_created: presentDate(row.date_created),
    url: `${urlOf(store, row.service_sid)}/${row.sid}`,
  })

/** The numbers that a service takes nothing from. */
export function blockedNumberRoutes(app: FastifyInstance, context: HttpContext): void {
  const { store } = context
  const present = presentBlocked(store)
  const collection = '/Services/:ServiceSid/BlockedNumbers'
  route(
    app,
    'POST',
    collection,
    { summary: 'Block a number', scope: 'services:write', body: Create, answer: BlockedNumberBody, status: 201 },
    async (request) => {
      const service = await getService(context, request)
      return await once(request, async (trx) => {
        const { phone_number } = parseForm(Create, formOf(request), 'create')
        if (!phone_number) throw missingParameter('PhoneNumber')
        return present(await blocked.blockNumber(trx, service, phone_number))
      })
    },
  )

  route(
    app,
    'GET',
    collection,
    {
      summary: 'List blocked numbers',
      scope: 'services:read',
      query: PageQuery,
      answer: PageOf('blocked_numbers', BlockedNumberBody),
    },
    async (request) => {
      const service = await getService(context, request)
      const query = parsePage(queryOf(request))
      const found = await blocked.listBlockedNumbers(store, service, query.request)
      return presentPage(found, query, { key: 'blocked_numbers', url: urlOf(store, service.sid), present })
    },
  )

  route(
    app,
    'GET',
    `${collection}/:Sid`,
    { summary: 'Fetch a blocked number', scope: 'services:read', answer: BlockedNumberBody },
    async (request) => {
      const service = await getService(context, request)
      const { Sid } = request.params as { Sid: string }
      const found = isSid('BN', Sid) ? await blocked.findBlockedNumber(store, service, Sid) : undefined
      if (!found) throw notFound(request)
      return present(found)
    },
  )

  route(
    app,
    'DELETE',
    `${collection}/:Sid`,
    { summary: 'Let a number in again', scope: 'services:write', status: 204 },
    async (request) => {
      const service = await getService(context, request)
      const { Sid } = request.params as { Sid: string }
      if (!isSid('BN', Sid) || !(await blocked.unblockNumber(request.store, service, Sid))) throw notFound(request)
    },
  )
}
