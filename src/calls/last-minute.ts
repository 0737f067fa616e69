import type { CallSettings } from '../core/call-settings.ts'
import { type Announcement, LAST_MINUTE_S } from '../core/carrier.ts'
import type { Store } from '../core/store.ts'
import type { Interaction } from '../db/schema.ts'
import { addressesOf } from './addresses.ts'

/** What both people of a call hear when its last minute begins. */
export const lastMinute = (store: Store, call: Interaction, settings: CallSettings): Announcement => ({
  text: settings.last_minute_announcement ?? '',
  language: settings.speech_language,
  room: call.sid,
  seconds_left: LAST_MINUTE_S,
  recording_url: call.is_recorded ? addressesOf(store, call)('recording?kind=call') : undefined,
})
