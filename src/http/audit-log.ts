import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { listAuditLog } from '../core/audit-list.ts'
import { namesOfUsers } from '../core/users.ts'
import type { AuditRow } from '../db/schema.ts'
import { DateParameter, parseForm } from './api/form.ts'
import { filteredUrl, PageOf, PageQuery, parsePage, presentPage } from './api/page.ts'
import { DateTime, Nullable, OneOf, Plain, presentDate, SidOf } from './api/present.ts'
import { queryOf, route } from './api/route.ts'
import type { HttpContext } from './context.ts'

const Filter = Type.Object({
  Action: Type.Optional(Type.String({ maxLength: 64, description: 'Only deeds of a kind, such as session.close.' })),
  ResourceSid: Type.Optional(Type.String({ maxLength: 34, description: 'Only what was done to this.' })),
  ActorSid: Type.Optional(Type.String({ maxLength: 34, description: 'Only what was done with these credentials.' })),
  StartDate: Type.Optional(DateParameter('Only from then on.')),
  EndDate: Type.Optional(DateParameter('Only before then.')),
})

const Entry = Type.Object({
  sid: SidOf('AU'),
  account_sid: SidOf('AC'),
  actor: OneOf(['account', 'api-key', 'user', 'operator', 'server', 'unknown']),
  actor_sid: Nullable(Plain),
  actor_name: Nullable(Plain),
  source_ip_address: Nullable(Plain),
  request_sid: Nullable(Plain),
  action: Plain,
  service_sid: Nullable(SidOf('KS')),
  resource_sid: Nullable(Plain),
  // A deed's details hold no personal data (`Deed`).
  details: Type.Record(Type.String(), Type.Unknown(), { 'x-pii': false }),
  date_created: DateTime,
})

/** Who among the operators it was, and on which machine, is not for the account. */
const presentEntry = (row: AuditRow, names: Map<string, string>) => ({
  sid: row.sid,
  account_sid: row.account_sid,
  actor: row.actor,
  actor_sid: row.actor_sid,
  actor_name: names.get(row.actor_sid ?? '') ?? null,
  source_ip_address: row.actor === 'operator' || row.actor === 'server' ? null : row.origin,
  request_sid: row.request_sid,
  action: row.action,
  service_sid: row.service_sid,
  resource_sid: row.resource_sid,
  details: row.details,
  date_created: presentDate(row.date_created),
})

export function auditLogRoutes(app: FastifyInstance, { store }: HttpContext): void {
  route(
    app,
    'GET',
    '/AuditLog',
    {
      summary: 'List who did what',
      scope: 'audit:read',
      query: Type.Object({ ...PageQuery.properties, ...Filter.properties }),
      answer: PageOf('entries', Entry),
    },
    async (request) => {
      const form = queryOf(request)
      const { start_date: since, end_date: until, ...equal } = parseForm(Filter, form, 'update')
      const query = parsePage(form)
      const filter = { ...equal, since, until }
      const found = await listAuditLog(store, request.caller.account_sid, filter, query.request)
      const url = filteredUrl(`${store.rules.public_url}/maskline/v1/AuditLog`, Filter, form)
      const users = found.rows.flatMap(({ actor, actor_sid }) => (actor === 'user' && actor_sid ? [actor_sid] : []))
      const names = await namesOfUsers(store, [...new Set(users)])
      return presentPage(found, query, {
        ...{ key: 'entries', url },
        present: (row: AuditRow) => presentEntry(row, names),
      })
    },
  )
}
