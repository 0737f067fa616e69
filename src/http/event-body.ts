import Type from 'typebox'
import { moreInfo } from '../core/errors.ts'
import type { Event } from '../db/schema.ts'
import { DateTime, Message, Nullable, OneOf, Plain, presentDate, SidOf, Url } from './api/present.ts'

export const EventBody = Type.Object({
  sid: SidOf('NO'),
  account_sid: SidOf('AC'),
  service_sid: Nullable(SidOf('KS')),
  session_sid: Nullable(Plain),
  participant_sid: Nullable(Plain),
  interaction_sid: Nullable(Plain),
  error_code: Type.Integer(),
  log_level: OneOf(['error', 'warning']),
  message: Message,
  more_info: Url,
  date_created: DateTime,
})

export const presentEvent = (event: Event) => ({
  sid: event.sid,
  account_sid: event.account_sid,
  service_sid: event.service_sid || null,
  session_sid: event.session_sid,
  participant_sid: event.participant_sid,
  interaction_sid: event.interaction_sid,
  error_code: event.error_code,
  log_level: event.level,
  message: event.message,
  more_info: moreInfo(event.error_code),
  date_created: presentDate(event.date_created),
})
