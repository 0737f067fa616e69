import type { ContentAction, ContentKind, Interaction, Participant, Service } from '../db/schema.ts'
import { findContent, redactContent, type Wanted } from './content/find.ts'
import { contentGuardOf } from './content-settings.ts'
import { recordEvent } from './events.ts'
import { createNotice, listMedia, type MediaItem, openBody, openMediaSource, recordBlocked } from './interactions.ts'
import { openParticipant } from './participants.ts'
import { isLive, lockSession } from './session-state.ts'
import { inTransaction, type Store } from './store.ts'

/**
 * Contact details that people type to each other, past the proxy: what a service wants done about each kind, and what is done.
 * A text is judged once, after it was claimed and before anybody is asked about it. What was typed stays on record as it was;
 * what left instead, if it was changed, stands beside it. The customer's own messages are not judged.
 */
export type Verdict = {
  found: Partial<Record<ContentKind, ContentAction>>
  action: ContentAction | undefined
  /** What may leave instead of the text. */
  body: string
  /** Attachments whose address is left out. */
  media: MediaItem[]
}

type Judged = { body: string; media: (MediaItem & { url: string })[]; own: string[] }

/** Of the kinds that were found the strictest one says what becomes of the message. */
export function judgeContent(service: Service, { body, media, own }: Judged): Verdict {
  const actions = Object.entries(contentGuardOf(service)).filter(([, action]) => action) as [
    ContentKind,
    ContentAction,
  ][]
  const wanted = (kinds: ContentKind[]): Wanted => ({
    kinds: new Set(kinds),
    own,
    allowed_domains: service.allowed_domains ?? [],
    payment_words: service.payment_words ?? [],
  })
  const kinds = actions.map(([kind]) => kind)
  const redacted = actions.flatMap(([kind, action]) => (action === 'redact' ? kind : []))
  // The address of an attachment is a link by itself and full of digits: in it only what is somebody's own counts.
  const inAddress = (all: ContentKind[]) => wanted(all.filter((kind) => ADDRESS_KINDS.has(kind)))
  const hits = [
    ...findContent(body, wanted(kinds)),
    ...media.flatMap(({ url }) => findContent(readable(url), inAddress(kinds))),
  ]
  const found = Object.fromEntries(actions.filter(([kind]) => hits.some((hit) => hit.kind === kind)))
  const action = (['block', 'redact', 'flag'] as const).find((one) => Object.values(found).includes(one))
  return {
    found,
    action,
    body: action === 'redact' ? redactContent(body, wanted(redacted)) : body,
    media: action === 'redact' ? media.filter(({ url }) => findContent(readable(url), inAddress(redacted)).length) : [],
  }
}

const ADDRESS_KINDS: ReadonlySet<ContentKind> = new Set<ContentKind>(['own_number', 'email_addresses'])

function readable(url: string): string {
  try {
    return decodeURIComponent(url)
  } catch {
    return url
  }
}

/** `sent_data_sealed` is what leaves instead of the text, where something was taken out. */
export type Guarded =
  | { outcome: 'passed'; sent_data_sealed: Buffer | null }
  | { outcome: 'blocked' }
  | { outcome: 'session-over' }

/** Judges a message that was claimed, and does what follows from it in one transaction. */
export async function guardContent(store: Store, service: Service, message: Interaction): Promise<Guarded> {
  const { sent_data_sealed } = message
  if (!service.is_guarded || message.content_found !== null) return { outcome: 'passed', sent_data_sealed }
  const body = openBody(store, message)
  const media =
    message.num_media === 0 ? [] : (await listMedia(store, message)).filter(({ state }) => state === 'public')
  const people = await readPeople(store, message)
  const own = people.map(({ identifier }) => identifier)
  const named = media.map((item) => ({ ...item, url: openMediaSource(store, item) }))
  const verdict = judgeContent(service, { body, media: named, own })
  const { action } = verdict
  if (!action) return { outcome: 'passed', sent_data_sealed }
  const changed = verdict.body === body ? null : store.keys.seal(`${message.sid}/sent_data`, verdict.body)
  return await inTransaction(store, async (trx): Promise<Guarded> => {
    const session = await lockSession(trx, service.sid, message.session_sid ?? '')
    if (!session || !isLive(session)) return { outcome: 'session-over' }
    await recordVerdict(trx, message, verdict, changed)
    const sender = people.find(({ sid }) => sid === message.inbound_participant_sid)
    const isTold = sender?.date_released === null && service.content_guard_notice && action !== 'flag'
    if (isTold) await createNotice(trx, session, sender, service.content_guard_notice ?? '')
    return action === 'block' ? { outcome: 'blocked' } : { outcome: 'passed', sent_data_sealed: changed }
  })
}

const NAMES: Record<ContentKind, string> = {
  own_number: 'the number of one of the two',
  other_numbers: 'a telephone number',
  email_addresses: 'an e-mail address',
  links: 'a link',
  payment_words: 'a word about payment',
}

const DEEDS: Record<ContentAction, string> = { flag: 'flagged', redact: 'redacted', block: 'blocked' }

async function recordVerdict(trx: Store, message: Interaction, verdict: Verdict, sent_data_sealed: Buffer | null) {
  const { found, action, media } = verdict
  const { account_sid, service_sid, session_sid, sid: interaction_sid } = message
  const what = (Object.entries(found) as [ContentKind, ContentAction][]).map(
    ([kind, its]) => `${NAMES[kind]} (${DEEDS[its]})`,
  )
  const told = `The content guard found in a message: ${what.join(', ')}.`
  await trx.db
    .updateTable('interactions')
    .set({ content_found: JSON.stringify(found), sent_data_sealed })
    .where('service_sid', '=', service_sid)
    .where('sid', '=', interaction_sid)
    // Whoever was erased while their message was judged has no text that could be put back.
    .where('stage', 'is not', null)
    .execute()
  for (const { position } of media) {
    await trx.db
      .updateTable('media')
      .set({ state: 'lost' })
      .where('service_sid', '=', service_sid)
      .where('interaction_sid', '=', interaction_sid)
      .where('position', '=', position)
      .execute()
  }
  if (action === 'block') return await recordBlocked(trx, message, { by: 'guard', error_code: 80909, message: told })
  await recordEvent(trx, { error_code: 80914, message: told, account_sid, service_sid, session_sid, interaction_sid })
}

/** Both, with their numbers. */
async function readPeople(store: Store, message: Interaction): Promise<(Participant & { identifier: string })[]> {
  const sids = [message.inbound_participant_sid, message.outbound_participant_sid].filter((sid) => sid !== null)
  const people = await store.db
    .selectFrom('participants')
    .selectAll()
    .where('service_sid', '=', message.service_sid)
    .where('sid', 'in', sids)
    .execute()
  return people.map((row) => openParticipant(store, row))
}
