import type { Service } from '../db/schema.ts'
import { checkCallbackUrl } from './callback-url.ts'
import { LAST_MINUTE_S } from './carrier.ts'
import { invalidParameter } from './errors.ts'
import type { Store } from './store.ts'

/** What holds for the calls of a service: its own settings, else the deployment's, else none. */
export type CallSettings = {
  /** How long the partner's phone rings. */
  ring_timeout_s: number
  max_duration_s: number
  /** A text is said in `speech_language`, or played when it is a URL (`isPlayed`); null is silence. So are those below. */
  last_minute_announcement: string | null
  greeting: string | null
  whisper: string | null
  recording: boolean
  /** Never empty: nobody is recorded unannounced. */
  recording_announcement: string
  voicemail: string | null
  voicemail_max_length_s: number
  speech_language: string
}

/** Null is the deployment's default, or nothing. */
export type CallSettingChanges = {
  ring_timeout_s?: number | null | undefined
  max_duration_s?: number | null | undefined
  last_minute_announcement?: string | null | undefined
  greeting?: string | null | undefined
  whisper?: string | null | undefined
  recording?: boolean | undefined
  recording_announcement?: string | null | undefined
  voicemail?: string | null | undefined
  voicemail_max_length_s?: number | null | undefined
  speech_language?: string | null | undefined
}

const RECORDING_ANNOUNCEMENT = 'This call is recorded.'
const VOICEMAIL_MAX_LENGTH_S = 120
const SPEECH_LANGUAGE = 'en-US'

export function callSettings(store: Pick<Store, 'rules'>, service: Service): CallSettings {
  const max_duration_s = service.max_duration_s ?? store.rules.max_call_s
  return {
    ring_timeout_s: service.ring_timeout_s ?? store.rules.ring_timeout_s,
    max_duration_s,
    last_minute_announcement: max_duration_s > LAST_MINUTE_S ? service.last_minute_announcement : null,
    greeting: service.greeting,
    whisper: service.whisper,
    recording: service.recording,
    recording_announcement: service.recording_announcement ?? RECORDING_ANNOUNCEMENT,
    voicemail: service.voicemail,
    voicemail_max_length_s: service.voicemail_max_length_s ?? VOICEMAIL_MAX_LENGTH_S,
    speech_language: service.speech_language ?? SPEECH_LANGUAGE,
  }
}

/** Whether a text is the address of what is played, and not what is said. */
export const isPlayed = (text: string) => /^https?:\/\//i.test(text)

/** Throws 80701 for a text that cannot be said or played, and for what is no language. */
export function checkCallSettings(store: Pick<Store, 'rules'>, changes: CallSettingChanges): void {
  const texts = {
    LastMinuteAnnouncement: changes.last_minute_announcement,
    Greeting: changes.greeting,
    Whisper: changes.whisper,
    RecordingAnnouncement: changes.recording_announcement,
    Voicemail: changes.voicemail,
  }
  for (const [name, text] of Object.entries(texts)) if (text) checkText(store, name, text)
  // BCP 47, as far as its shape goes: a language, then whatever narrows it down.
  if (changes.speech_language && !/^[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}$/i.test(changes.speech_language)) {
    throw invalidParameter('SpeechLanguage', 'Give a language as in en-US.')
  }
}

/** What XML cannot hold, in which carriers are told what to say. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NOT_IN_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/u

function checkText(store: Pick<Store, 'rules'>, name: string, text: string) {
  if (isPlayed(text)) return checkCallbackUrl(store, name, text)
  if (NOT_IN_XML.test(text)) throw invalidParameter(name, 'It holds control characters.')
  // A blank announcement would be none.
  if (!/[\p{L}\p{N}]/u.test(text)) throw invalidParameter(name, 'Give words to say, or an http or https URL to play.')
}

/** Throws 80701 when what was changed leaves an announcement of a minute that comes too early. */
export function checkLastMinute(store: Pick<Store, 'rules'>, changes: CallSettingChanges, changed: Service): void {
  const { last_minute_announcement, max_duration_s } = changes
  if (last_minute_announcement === undefined && max_duration_s === undefined) return
  if (changed.last_minute_announcement === null) return
  const longest = changed.max_duration_s ?? store.rules.max_call_s
  if (longest > LAST_MINUTE_S) return
  throw invalidParameter(
    last_minute_announcement ? 'LastMinuteAnnouncement' : 'MaxDuration',
    `A call of ${longest} seconds has no last minute to announce. Set MaxDuration to more than ${LAST_MINUTE_S}, or clear LastMinuteAnnouncement.`,
  )
}
