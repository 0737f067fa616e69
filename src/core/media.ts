import { sql } from 'kysely'
import type { Interaction, Media } from '../db/schema.ts'
import { cleanAttachment } from './attachment/clean.ts'
import { type Carrier, CarrierError } from './carrier.ts'
import { recordEvent } from './events.ts'
import { listMedia, type MediaItem, openMediaSource } from './interactions.ts'
import { heldInteraction } from './legal-hold.ts'
import { serviceOf } from './services.ts'
import type { Store } from './store.ts'

/**
 * An attachment's address at the carrier names its account and needs its credentials: passed on it would fail, or tell.
 * So each is fetched once, before anybody is told of it, rid of what tells more than the picture does, and served by us under
 * an address nobody can guess, for a day.
 */
const HOSTED_FOR = '24 hours'
const MAX_BYTES = 5 * 1024 * 1024

const ANY_TYPE = 'application/octet-stream'

/** What we serve an attachment as; anything else goes out as bytes that no browser will run. */
const SAFE_TYPES =
  /^(image\/(jpeg|png|gif|webp|bmp|tiff|heic|heif)|audio\/[\w.+-]+|video\/[\w.+-]+|application\/pdf|text\/(plain|vcard|x-vcard))$/

/** A type without parameters, such as a file's name; nor is a telephone number one. Undefined for what is no type. */
export function bareType(type: string | undefined): string | undefined {
  const bare = type?.split(';')[0]?.trim().toLowerCase() ?? ''
  return /^[\w.+-]+\/[\w.+-]+$/.test(bare) && !/\d{6}/.test(bare) ? bare : undefined
}

/** After so many tries at the message an attachment that cannot be had for now counts as lost. */
const MAX_ATTEMPTS = 5

type MessageWithMedia = Pick<
  Interaction,
  'service_sid' | 'sid' | 'account_sid' | 'session_sid' | 'num_media' | 'attempts'
>

/** Fetches what is still at the carrier, all at once. Throws `CarrierError` when that should be tried again later. */
export async function hostMedia(store: Store, carrier: Carrier, interaction: MessageWithMedia): Promise<void> {
  if (interaction.num_media === 0) return
  const pending = (await listMedia(store, interaction)).filter((item) => item.state === 'pending')
  await Promise.all(pending.map((item) => hostOne(store, carrier, interaction, item)))
}

async function hostOne(store: Store, carrier: Carrier, interaction: MessageWithMedia, item: MediaItem) {
  try {
    const fetched = await carrier.fetchMedia(openMediaSource(store, item), MAX_BYTES)
    if (fetched === 'public') return await setMedia(store, item, { state: 'public' })
    const { kept, refusal } = cleanAttachment(fetched)
    if (!kept || (refusal && !(await serviceOf(store, item))?.allow_vcards)) {
      return await leaveOut(store, interaction, item, refusal ?? '')
    }
    const place = `${item.interaction_sid}/media/${item.position}/bytes`
    await setMedia(store, item, {
      state: 'hosted',
      content_type: bareType(kept.content_type) ?? ANY_TYPE,
      bytes_sealed: store.keys.seal(place, kept.bytes),
      expires_at: sql<Date>`now() + ${HOSTED_FOR}::interval`,
    })
  } catch (error) {
    if (!(error instanceof CarrierError)) throw error
    if (error.outcome !== 'refused' && interaction.attempts < MAX_ATTEMPTS) throw error
    await setMedia(store, item, { state: 'lost' })
    const values = { url: `Attachment ${item.position} at the carrier` }
    await recordEvent(store, { ...placeOf(interaction, item), error_code: 11200, values })
  }
}

const placeOf = ({ account_sid, session_sid }: MessageWithMedia, { service_sid, interaction_sid }: MediaItem) => ({
  ...{ account_sid, service_sid, session_sid, interaction_sid },
})

async function leaveOut(store: Store, interaction: MessageWithMedia, item: MediaItem, reason: string) {
  await setMedia(store, item, { state: 'lost' })
  const message = `Attachment ${item.position} was left out: ${reason}`
  await recordEvent(store, { ...placeOf(interaction, item), error_code: 80914, message })
}

type MediaChanges = {
  state: Media['state']
  content_type?: string
  bytes_sealed?: Buffer
  expires_at?: ReturnType<typeof sql<Date>>
}

async function setMedia(store: Store, item: MediaItem, changes: MediaChanges) {
  await store.db
    .updateTable('media')
    .set(changes)
    .where('service_sid', '=', item.service_sid)
    .where('interaction_sid', '=', item.interaction_sid)
    .where('position', '=', item.position)
    .execute()
}

/** The attachment behind an address we gave out; undefined once it has expired. */
export async function findHostedMedia(
  store: Store,
  service_sid: string,
  token: string,
): Promise<{ content_type: string; bytes: Buffer; name: string } | undefined> {
  const item = await store.db
    .selectFrom('media')
    .selectAll()
    .where('service_sid', '=', service_sid)
    .where('token', '=', token)
    .where('expires_at', '>', sql<Date>`now()`)
    .executeTakeFirst()
  if (!item?.bytes_sealed) return undefined
  const type = bareType(item.content_type ?? undefined) ?? ANY_TYPE
  const content_type = SAFE_TYPES.test(type) ? type : ANY_TYPE
  const bytes = store.keys.openBytes(`${item.interaction_sid}/media/${item.position}/bytes`, item.bytes_sealed)
  return { content_type, bytes, name: `m${item.position + 1}` }
}

/** Forgets the bytes of attachments whose address has expired. Returns how many. */
export async function forgetExpiredMedia(store: Store): Promise<number> {
  const { numUpdatedRows } = await store.db
    .updateTable('media')
    .set({ bytes_sealed: null, expires_at: null, state: 'lost' })
    .where('expires_at', '<=', sql<Date>`now()`)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('interactions')
            .select('interactions.sid')
            .whereRef('interactions.service_sid', '=', 'media.service_sid')
            .whereRef('interactions.sid', '=', 'media.interaction_sid')
            .where(heldInteraction('interactions')),
        ),
      ),
    )
    .executeTakeFirst()
  return Number(numUpdatedRows)
}
