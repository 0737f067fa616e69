import { createGuard } from '../../src/callbacks/guard.ts'
import { statusParameters } from '../../src/callbacks/parameters.ts'
import { isAccepted, post, reasonOf } from '../../src/callbacks/post.ts'
import { newSid } from '../../src/core/sid.ts'
import { servedBy } from './parent.ts'

/** The peer of the queue of callbacks: the same client, which signs and posts the same and asks no database. */
export type PosterOptions = { url: string; account_sid: string; service_sid: string; auth_token: string }

const TIMEOUT_MS = 15_000

servedBy(async ({ url, account_sid, service_sid, auth_token }: PosterOptions) => {
  const guard = createGuard({ allow: ['127.0.0.0/8'] })
  const told = () => {
    const date = new Date()
    const interaction = {
      ...{ sid: newSid('KI'), account_sid, service_sid, session_sid: newSid('KC'), type: 'message' as const },
      ...{ inbound_participant_sid: newSid('KP'), inbound_resource_sid: newSid('SM'), date_created: date },
      ...{ outbound_participant_sid: newSid('KP'), outbound_resource_sid: newSid('SM') },
    }
    const statuses = { inbound_resource_status: 'delivered', outbound_resource_status: 'delivered' }
    const opened = { data: '{"body":"I am at the entrance"}', media_urls: [] }
    return statusParameters(interaction, { ...statuses, interaction_date_updated: date }, opened)
  }
  const postOne = async () => {
    const request = { url, params: told(), auth_token, idempotency_token: newSid('CB'), timeout_ms: TIMEOUT_MS }
    const answer = await post({ ...request, reads: 'status' }, guard)
    if (!isAccepted(answer)) throw new Error(reasonOf(answer))
  }
  return {
    ready: {},
    commands: {
      async post({ count, concurrency }: { count: number; concurrency: number }) {
        let left = count
        const loop = async () => {
          while (left-- > 0) await postOne()
        }
        await Promise.all(Array.from({ length: concurrency }, loop))
      },
    },
  }
})
