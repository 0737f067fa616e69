import type { Callback, Interaction, Participant, Session } from '../db/schema.ts'
import type { CallbackParams } from './post.ts'

/**
 * The parameters of the three callbacks, as the vendor names them (https://www.twilio.com/docs/proxy/api/webhooks).
 * Rows come as they are; what is sealed in them is opened by the caller and passed beside them. A value that is not
 * there has no parameter: an empty one would mean something else to those who look.
 */
type Value = string | number | Date | null | undefined

/** The facts of an interaction that these callbacks tell. */
export type InteractionFacts = Pick<
  Interaction,
  | 'sid'
  | 'account_sid'
  | 'service_sid'
  | 'session_sid'
  | 'type'
  | 'date_created'
  | 'inbound_participant_sid'
  | 'inbound_resource_sid'
  | 'outbound_participant_sid'
  | 'outbound_resource_sid'
>

/** The JSON text the REST resource shows as `data`, and where the attachments can be fetched. */
export type OpenedInteraction = { data: string; media_urls: string[] }

/** What the callback row remembers of the moment it tells about; the interaction may have moved on since. */
export type Moment = Pick<Callback, 'inbound_resource_status' | 'outbound_resource_status' | 'interaction_date_updated'>

/** For the CallbackUrl. The outbound parameters appear once that leg has a status. */
export function statusParameters(
  interaction: InteractionFacts,
  moment: Moment,
  opened: OpenedInteraction,
): CallbackParams {
  const { outbound_resource_status: outboundStatus, interaction_date_updated: updated } = moment
  const params = interactionParameters(interaction, updated, opened)
  params.push(...inboundParameters(interaction, moment.inbound_resource_status))
  if (outboundStatus !== null) {
    params.push(
      ...present('outbound', {
        ParticipantSid: interaction.outbound_participant_sid,
        ResourceSid: interaction.outbound_resource_sid,
        ResourceStatus: outboundStatus,
        ResourceType: resourceType(interaction),
        ResourceUrl: resourceUrl(interaction, interaction.outbound_resource_sid),
      }),
    )
  }
  return params
}

/** For the InterceptCallbackUrl, which is asked before there is an outbound leg. */
export function interceptParameters(
  interaction: InteractionFacts & Pick<Interaction, 'date_updated' | 'inbound_resource_status'>,
  opened: OpenedInteraction,
): CallbackParams {
  return [
    ...interactionParameters(interaction, interaction.date_updated, opened),
    ...inboundParameters(interaction, interaction.inbound_resource_status),
  ]
}

/** A message that belongs to no session, opened. `resource_sid` is the inbound message's own SID. */
export type OutOfSessionMessage = {
  account_sid: string
  resource_sid: string
  from: string
  to: string
  body: string
  media: { url: string; content_type: string | null }[]
  num_segments: number
  geography: Record<string, string> | null
}

/** A participant row with its opened identifier. */
export type KnownParticipant = {
  participant: Pick<
    Participant,
    | 'sid'
    | 'account_sid'
    | 'service_sid'
    | 'session_sid'
    | 'friendly_name'
    | 'proxy_identifier'
    | 'proxy_identifier_sid'
    | 'date_created'
    | 'date_updated'
  >
  identifier: string
}

/** The pair's last session, when it has met before: who wrote, and the partner if there was one. */
export type History = { session: Session; inbound: KnownParticipant; outbound: KnownParticipant | undefined }

/**
 * For the OutOfSessionCallbackUrl: the vendor's ordinary message webhook, and what is known of the pair. The only
 * callback that carries identifiers.
 */
export function outOfSessionParameters(message: OutOfSessionMessage, history: History | undefined): CallbackParams {
  const { media } = message
  const params = present('', {
    AccountSid: message.account_sid,
    ApiVersion: '2010-04-01',
    MessageSid: message.resource_sid,
    SmsSid: message.resource_sid,
    SmsMessageSid: message.resource_sid,
    SmsStatus: 'received',
    From: message.from,
    To: message.to,
    Body: message.body,
    NumMedia: media.length,
    NumSegments: message.num_segments,
  })
  media.forEach(({ url, content_type }, n) => {
    params.push(...present('', { [`MediaUrl${n}`]: url, [`MediaContentType${n}`]: content_type }))
  })
  params.push(...geographyParameters(message.geography, { From: 'From', To: 'To' }))
  if (history) params.push(...historyParameters(history))
  return params
}

/** A call that belongs to no session. `details` is what else its carrier says of it now, such as keys that were pressed. */
export type OutOfSessionCall = {
  account_sid: string
  resource_sid: string
  from: string
  to: string
  geography: Record<string, string>
  details: Record<string, string>
}

/** The same for a call: the vendor's ordinary voice webhook. https://www.twilio.com/docs/voice/twiml#request-parameters */
export function outOfSessionCallParameters(call: OutOfSessionCall, history: History | undefined): CallbackParams {
  const { from, to, geography, details } = call
  return [
    ...present('', {
      CallStatus: 'ringing',
      Direction: 'inbound',
      ...details,
      AccountSid: call.account_sid,
      ApiVersion: '2010-04-01',
      CallSid: call.resource_sid,
      From: from,
      Caller: from,
      To: to,
      Called: to,
    }),
    ...geographyParameters(geography, { From: 'From', To: 'To' }),
    ...geographyParameters(geography, { From: 'Caller', To: 'Called' }),
    ...(history ? historyParameters(history) : []),
  ]
}

/** Where the two ends are, each under the name that `called` gives it. */
const geographyParameters = (geography: Record<string, string> | null, called: Record<'From' | 'To', string>) =>
  (['From', 'To'] as const).flatMap((end) =>
    ['City', 'State', 'Zip', 'Country'].flatMap((part) => present(called[end], { [part]: geography?.[end + part] })),
  )

function historyParameters({ session, inbound, outbound }: History): CallbackParams {
  return [
    ...participantParameters('inboundParticipant', inbound),
    ...(outbound ? participantParameters('outboundParticipant', outbound) : []),
    ...present('session', {
      AccountSid: session.account_sid,
      ClosedReason: session.closed_reason,
      DateCreated: session.date_created,
      DateEnded: session.date_ended,
      DateLastInteraction: session.date_last_interaction,
      DateStarted: session.date_started,
      DateUpdated: session.date_updated,
      Mode: session.mode,
      ServiceSid: session.service_sid,
      Sid: session.sid,
      Status: session.status,
      UniqueName: session.unique_name,
    }),
    ...present('', { ttl: session.ttl }),
  ]
}

const participantParameters = (prefix: string, { participant, identifier }: KnownParticipant) =>
  present(prefix, {
    AccountSid: participant.account_sid,
    DateCreated: participant.date_created,
    DateUpdated: participant.date_updated,
    FriendlyName: participant.friendly_name,
    Identifier: identifier,
    ProxyIdentifier: participant.proxy_identifier,
    ProxyIdentifierSid: participant.proxy_identifier_sid,
    ServiceSid: participant.service_sid,
    SessionSid: participant.session_sid,
    Sid: participant.sid,
  })

function interactionParameters(interaction: InteractionFacts, updated: Date, opened: OpenedInteraction) {
  const isMessage = interaction.type === 'message'
  const params = present('interaction', {
    AccountSid: interaction.account_sid,
    ServiceSid: interaction.service_sid,
    SessionSid: interaction.session_sid,
    Sid: interaction.sid,
    Type: isMessage ? 'Message' : 'Voice',
    Data: opened.data,
    DateCreated: interaction.date_created,
    DateUpdated: updated,
    NumMedia: isMessage ? opened.media_urls.length : undefined,
  })
  opened.media_urls.forEach((url, n) => {
    params.push([`interactionMediaUrl${n}`, url])
  })
  return params
}

/** A message that the API asked for has no inbound leg, hence none of these. */
function inboundParameters(interaction: InteractionFacts, status: string | null): CallbackParams {
  if (interaction.inbound_resource_sid === null) return []
  return present('inbound', {
    ParticipantSid: interaction.inbound_participant_sid,
    ResourceSid: interaction.inbound_resource_sid,
    ResourceStatus: status,
    ResourceType: resourceType(interaction),
    ResourceUrl: resourceUrl(interaction, interaction.inbound_resource_sid),
  })
}

const resourceType = ({ type }: InteractionFacts) => (type === 'message' ? 'message' : 'call')

/** The address in the vendor's core API: customers take the SID from its end. */
function resourceUrl({ account_sid, type }: InteractionFacts, sid: string | null): string | null {
  const collection = type === 'message' ? 'Messages' : 'Calls'
  return sid && `https://api.twilio.com/2010-04-01/Accounts/${account_sid}/${collection}/${sid}.json`
}

function present(prefix: string, values: Record<string, Value>): CallbackParams {
  const params: CallbackParams = []
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined) continue
    params.push([prefix + name, value instanceof Date ? wholeSeconds(value) : String(value)])
  }
  return params
}

/** Clients read dates with milliseconds as text. */
const wholeSeconds = (date: Date) => `${date.toISOString().slice(0, 19)}Z`
