import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  interceptParameters,
  type KnownParticipant,
  type OutOfSessionMessage,
  outOfSessionParameters,
  statusParameters,
} from '../src/callbacks/parameters.ts'
import type { Session } from '../src/db/schema.ts'

const sid = (prefix: string, digit: string) => prefix + digit.repeat(32)
const [AC, KS, KC, KI] = [sid('AC', '1'), sid('KS', '2'), sid('KC', '3'), sid('KI', '4')]
const [IN, OUT] = [sid('SM', '7'), sid('SM', '8')]
const created = new Date('2030-01-02T03:04:05.678Z')
const updated = new Date('2030-01-02T03:04:07.999Z')

const interaction: Parameters<typeof interceptParameters>[0] = {
  sid: KI,
  account_sid: AC,
  service_sid: KS,
  session_sid: KC,
  type: 'message',
  date_created: created,
  date_updated: updated,
  inbound_participant_sid: sid('KP', '5'),
  inbound_resource_sid: IN,
  inbound_resource_status: 'delivered',
  outbound_participant_sid: sid('KP', '6'),
  outbound_resource_sid: OUT,
}
const opened = { data: '{"body":"Hi"}', media_urls: [] }
const sent = {
  inbound_resource_status: 'delivered',
  outbound_resource_status: 'sent',
  interaction_date_updated: updated,
}
const resourceUrl = (collection: string, resource: string) =>
  `https://api.twilio.com/2010-04-01/Accounts/${AC}/${collection}/${resource}.json`

const INTERACTION = {
  interactionAccountSid: AC,
  interactionServiceSid: KS,
  interactionSessionSid: KC,
  interactionSid: KI,
  interactionType: 'Message',
  interactionData: '{"body":"Hi"}',
  interactionDateCreated: '2030-01-02T03:04:05Z',
  interactionDateUpdated: '2030-01-02T03:04:07Z',
  interactionNumMedia: '0',
}
const INBOUND = {
  inboundParticipantSid: sid('KP', '5'),
  inboundResourceSid: IN,
  inboundResourceStatus: 'delivered',
  inboundResourceType: 'message',
  inboundResourceUrl: resourceUrl('Messages', IN),
}
const OUTBOUND = {
  outboundParticipantSid: sid('KP', '6'),
  outboundResourceSid: OUT,
  outboundResourceStatus: 'sent',
  outboundResourceType: 'message',
  outboundResourceUrl: resourceUrl('Messages', OUT),
}

/** No name may come twice, or a form parser makes a list of it. */
function toObject(params: [string, string][]) {
  assert.equal(new Set(params.map(([name]) => name)).size, params.length)
  return Object.fromEntries(params)
}

test('a status callback tells of the interaction and both its legs, and of nobody’s number', () => {
  assert.deepEqual(toObject(statusParameters(interaction, sent, opened)), { ...INTERACTION, ...INBOUND, ...OUTBOUND })
})

test('a message that the API asked for has no inbound parameters', () => {
  const api = {
    ...interaction,
    inbound_participant_sid: null,
    inbound_resource_sid: null,
    inbound_resource_status: null,
  }
  const params = statusParameters(api, { ...sent, inbound_resource_status: null }, opened)
  assert.deepEqual(toObject(params), { ...INTERACTION, ...OUTBOUND })
})

test('a callback about the time before the outbound leg has no outbound parameters, even when sent later', () => {
  const params = statusParameters(interaction, { ...sent, outbound_resource_status: null }, opened)
  assert.deepEqual(toObject(params), { ...INTERACTION, ...INBOUND })
})

test('a leg that failed before the carrier named it has a status but neither SID nor URL', () => {
  const moment = { ...sent, outbound_resource_status: 'failed' }
  const { outboundResourceSid, outboundResourceUrl, ...rest } = OUTBOUND
  assert.deepEqual(toObject(statusParameters({ ...interaction, outbound_resource_sid: null }, moment, opened)), {
    ...INTERACTION,
    ...INBOUND,
    ...rest,
    outboundResourceStatus: 'failed',
  })
})

test('an intercept callback carries the media and never the outbound leg', () => {
  const media_urls = ['https://media.example/a', 'https://media.example/b']
  assert.deepEqual(toObject(interceptParameters(interaction, { ...opened, media_urls })), {
    ...INTERACTION,
    ...INBOUND,
    interactionNumMedia: '2',
    interactionMediaUrl0: 'https://media.example/a',
    interactionMediaUrl1: 'https://media.example/b',
  })
})

test('a call is a Voice interaction of call resources, without a count of media', () => {
  const call = { ...interaction, type: 'voice' as const, inbound_resource_sid: sid('CA', '7') }
  const params = toObject(interceptParameters(call, { data: '', media_urls: [] }))
  assert.equal(params.interactionType, 'Voice')
  assert.equal(params.interactionData, '')
  assert.equal(params.inboundResourceType, 'call')
  assert.equal(params.inboundResourceUrl, resourceUrl('Calls', sid('CA', '7')))
  assert.ok(!('interactionNumMedia' in params))
})

const message: OutOfSessionMessage = {
  account_sid: AC,
  resource_sid: IN,
  from: '+12025550102',
  to: '+12025550101',
  body: '',
  media: [
    { url: 'https://media.example/a', content_type: 'image/png' },
    { url: 'https://media.example/b', content_type: null },
  ],
  num_segments: 1,
  geography: { FromCity: 'WASHINGTON', FromZip: '', ToCountry: 'US', MessageSid: 'not geography' },
}
const STRANGER = {
  AccountSid: AC,
  ApiVersion: '2010-04-01',
  MessageSid: IN,
  SmsSid: IN,
  SmsMessageSid: IN,
  SmsStatus: 'received',
  From: '+12025550102',
  To: '+12025550101',
  Body: '',
  NumMedia: '2',
  NumSegments: '1',
  MediaUrl0: 'https://media.example/a',
  MediaContentType0: 'image/png',
  MediaUrl1: 'https://media.example/b',
  FromCity: 'WASHINGTON',
  FromZip: '',
  ToCountry: 'US',
}

test('an out-of-session callback of a stranger is the ordinary message webhook and nothing else', () => {
  assert.deepEqual(toObject(outOfSessionParameters(message, undefined)), STRANGER)
})

const session: Session = {
  sid: KC,
  account_sid: AC,
  service_sid: KS,
  unique_name: null,
  status: 'closed',
  mode: 'message-only',
  ttl: 3600,
  ttl_since: created,
  date_expiry: null,
  expires_at: null,
  date_created: created,
  date_updated: updated,
  date_started: created,
  date_ended: updated,
  date_last_interaction: null,
  closed_reason: 'ttl',
}
const known = (digit: string, identifier: string, friendly_name: string | null): KnownParticipant => ({
  identifier,
  participant: {
    sid: sid('KP', digit),
    account_sid: AC,
    service_sid: KS,
    session_sid: KC,
    friendly_name,
    proxy_identifier: '+12025550101',
    proxy_identifier_sid: sid('PN', '9'),
    date_created: created,
    date_updated: updated,
  },
})
const knownParameters = (prefix: string, digit: string, identifier: string) => ({
  [`${prefix}AccountSid`]: AC,
  [`${prefix}DateCreated`]: '2030-01-02T03:04:05Z',
  [`${prefix}DateUpdated`]: '2030-01-02T03:04:07Z',
  [`${prefix}Identifier`]: identifier,
  [`${prefix}ProxyIdentifier`]: '+12025550101',
  [`${prefix}ProxyIdentifierSid`]: sid('PN', '9'),
  [`${prefix}ServiceSid`]: KS,
  [`${prefix}SessionSid`]: KC,
  [`${prefix}Sid`]: sid('KP', digit),
})
const SESSION = {
  sessionAccountSid: AC,
  sessionClosedReason: 'ttl',
  sessionDateCreated: '2030-01-02T03:04:05Z',
  sessionDateEnded: '2030-01-02T03:04:07Z',
  sessionDateStarted: '2030-01-02T03:04:05Z',
  sessionDateUpdated: '2030-01-02T03:04:07Z',
  sessionMode: 'message-only',
  sessionServiceSid: KS,
  sessionSid: KC,
  sessionStatus: 'closed',
  ttl: '3600',
}

test('a pair that has met before brings its participants with their numbers, its session and a bare ttl', () => {
  const inbound = known('5', '+12025550102', 'Alice')
  const outbound = known('6', '+12025550103', null)
  assert.deepEqual(toObject(outOfSessionParameters(message, { session, inbound, outbound })), {
    ...STRANGER,
    ...knownParameters('inboundParticipant', '5', '+12025550102'),
    inboundParticipantFriendlyName: 'Alice',
    ...knownParameters('outboundParticipant', '6', '+12025550103'),
    ...SESSION,
  })
})

test('a session that never had a partner brings no outbound participant', () => {
  const inbound = known('5', '+12025550102', null)
  assert.deepEqual(toObject(outOfSessionParameters(message, { session, inbound, outbound: undefined })), {
    ...STRANGER,
    ...knownParameters('inboundParticipant', '5', '+12025550102'),
    ...SESSION,
  })
})
