import type { Finding } from '../../test/support/nowhere.ts'
import type { Break } from '../support/broken-copy.ts'

/** One filter after the other is taken away, and each has to be missed: by what is found then. */
export type Missed = Break & { what: string; shows: (finding: Finding) => boolean }

export const BREAKS: Missed[] = [
  {
    what: 'services of every account',
    file: 'core/services.ts',
    passage: 'return service?.account_sid === account_sid ? service : undefined',
    becomes: 'return service',
    shows: ({ by, operation }) => by === 'another account' && operation.includes('Services'),
  },
  {
    what: 'keys of every account',
    file: 'core/api-keys.ts',
    passage: "activeKeys(store, account_sid).where('sid', '=', sid)",
    becomes: "store.db.selectFrom('api_keys').selectAll().where('date_revoked', 'is', null).where('sid', '=', sid)",
    shows: ({ by, operation }) => by === 'another account' && operation.includes('Keys'),
  },
  {
    what: 'sessions of every service',
    file: 'db/statements/read-sessions.ts',
    passage: 'where service_sid = $1 and account_sid = $2 and sid',
    becomes: 'where $1::text is not null and account_sid = $2 and sid',
    shows: ({ by, operation }) => by === 'another parent' && operation.endsWith('/Sessions/{SessionSid}'),
  },
  {
    what: 'participants of every session',
    file: 'core/participants.ts',
    passage:
      "participantsOf(store, service_sid, session_sid).where('sid', '=', sid).executeTakeFirst()\n  return row &&",
    becomes:
      "store.db.selectFrom('participants').selectAll().where('sid', '=', sid).executeTakeFirst()\n  return row &&",
    shows: ({ by, operation }) => by === 'another parent' && operation.endsWith('/Participants/{ParticipantSid}'),
  },
  {
    what: 'recordings that were deleted',
    file: 'core/recordings.ts',
    passage: "    .where('recordings.delete_at', 'is', null)\n",
    becomes: '',
    shows: ({ by, operation }) => by === 'deleted' && operation.includes('/Recordings/'),
  },
  {
    what: 'another word for a session that is not there',
    file: 'http/api/sessions.ts',
    passage: ': undefined\n  if (!session) throw notFound(request)\n',
    becomes: ': undefined\n  if (!session) throw new ProxyError(80409)\n',
    shows: ({ by, operation }) => by === 'no such SID' && operation.includes('/Participants'),
  },
  {
    what: 'keys that were revoked',
    file: 'core/accounts.ts',
    passage: 'sid = asked.name and date_revoked is null as fits',
    becomes: 'sid = asked.name as fits',
    shows: ({ by }) => by === 'no credentials',
  },
  {
    what: 'keys without the scope',
    file: 'http/api/auth.ts',
    passage: 'missing.length > 0 ? new ScopeRefusal(missing) : undefined',
    becomes: 'undefined',
    shows: ({ by }) => by === 'no scope',
  },
  {
    what: 'accounts that are suspended',
    file: 'http/api/auth.ts',
    passage: 'if (!caller || !mayComeIn(caller, request)) {',
    becomes: 'if (!caller) {',
    shows: ({ by }) => by === 'suspended account',
  },
]
