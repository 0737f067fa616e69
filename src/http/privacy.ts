import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import Type from 'typebox'
import { findAccount } from '../core/accounts.ts'
import { ProxyError } from '../core/errors.ts'
import { type KeptDays, keptDays, setKeptDays } from '../core/kept-days.ts'
import { isAccountHeld } from '../core/legal-hold.ts'
import { countPerson, erasePerson } from '../core/privacy/erase.ts'
import { EXPORT_SECTIONS, exportPerson } from '../core/privacy/export.ts'
import { subjectOf } from '../core/privacy/subject.ts'
import type { Account } from '../db/schema.ts'
import { ClearableInteger, parseForm } from './api/form.ts'
import { once } from './api/idempotency.ts'
import { Nullable, SidOf, Url } from './api/present.ts'
import { formOf, route } from './api/route.ts'
import type { HttpContext } from './context.ts'

const days = (description: string) =>
  Type.Optional(ClearableInteger({ minimum: 0, maximum: 36_500, description: `Days that ${description}` }))

const Settings = Type.Object({
  SessionRetention: days('closed sessions are kept; 0 is for ever, empty as long as the operator says.'),
  BodyRetention: days(
    'texts, attachments and recordings are kept; 0 is no longer than delivery takes, empty as long as the session.',
  ),
})

const SettingsBody = Type.Object({
  account_sid: SidOf('AC'),
  session_retention: Type.Integer(),
  body_retention: Nullable(Type.Integer()),
  legal_hold: Type.Boolean(),
  url: Url,
})

const Person = Type.Object({ Identifier: Type.String({ maxLength: 191, description: 'The number of the person.' }) })
const Erasure = Type.Object({
  ...Person.properties,
  DryRun: Type.Optional(Type.Boolean({ description: 'Only counts what there is to erase.' })),
})

const ErasureBody = Type.Object({
  account_sid: SidOf('AC'),
  dry_run: Type.Boolean(),
  participants: Type.Integer(),
  sessions_closed: Type.Integer(),
  interactions: Type.Integer(),
  strangers_messages: Type.Integer(),
  released_pairs: Type.Integer(),
  blocked_numbers: Type.Integer(),
  kept_answers: Type.Integer(),
})

const Items = Type.Array(Type.Object({}, { additionalProperties: true }))
const ExportBody = Type.Object({
  identifiers: Type.Array(Type.String()),
  account_sid: SidOf('AC'),
  date_created: Type.String({ format: 'date-time' }),
  ...Object.fromEntries(EXPORT_SECTIONS.map((name) => [name, Items])),
})

/** What an account keeps of people and for how long, and all of one person at once. */
export function privacyRoutes(app: FastifyInstance, context: HttpContext): void {
  accountSettingsRoutes(app, context)
  const { store } = context
  const subjectIn = (request: FastifyRequest) => {
    const { identifier } = parseForm(Person, formOf(request), 'create')
    return subjectOf(store, request.caller.account_sid, identifier)
  }

  route(
    app,
    'POST',
    '/Privacy/Export',
    {
      summary: 'Export all there is of a person',
      scope: 'privacy',
      disclosing: true,
      id: 'ExportPerson',
      body: Person,
      answer: ExportBody,
      keyed: false,
    },
    async (request, reply) => {
      reply.type('application/json; charset=utf-8')
      return Readable.from(exportPerson(request.store, subjectIn(request)))
    },
  )

  route(
    app,
    'POST',
    '/Privacy/Erase',
    {
      summary: 'Erase a person',
      scope: 'privacy',
      id: 'ErasePerson',
      body: Erasure,
      answer: ErasureBody,
      keyed: false,
    },
    async (request) => {
      const subject = subjectIn(request)
      const { dry_run = false } = parseForm(Erasure, formOf(request), 'create')
      const counts = await (dry_run ? countPerson : erasePerson)(request.store, subject)
      context.wake('callbacks')
      return { account_sid: subject.account_sid, dry_run, ...counts }
    },
  )
}

function accountSettingsRoutes(app: FastifyInstance, { store }: HttpContext) {
  const present = async (account: Account | undefined) => {
    if (!account) throw new ProxyError(20003)
    return {
      account_sid: account.sid,
      session_retention: keptDays(store, account),
      body_retention: account.body_retention_days,
      legal_hold: await isAccountHeld(store, account.sid),
      url: `${store.rules.public_url}/maskline/v1/Settings`,
    }
  }

  route(
    app,
    'GET',
    '/Settings',
    { summary: 'Fetch settings of the account', scope: 'privacy', id: 'FetchAccountSettings', answer: SettingsBody },
    async (request) => await present(await findAccount(store, request.caller.account_sid)),
  )

  route(
    app,
    'POST',
    '/Settings',
    {
      summary: 'Change settings of the account',
      scope: 'privacy',
      id: 'UpdateAccountSettings',
      body: Settings,
      answer: SettingsBody,
    },
    async (request) =>
      await once(request, async (trx) => {
        const { session_retention, body_retention } = parseForm(Settings, formOf(request), 'update')
        const changes: KeptDays = { retention_days: session_retention, body_retention_days: body_retention }
        return await present(await setKeptDays(trx, request.caller.account_sid, changes))
      }),
  )
}
