import type { CallSettings } from '../core/call-settings.ts'
import { element, speak, writeTwiml } from '../twiml/write.ts'

/**
 * What callers and partners are answered, in TwiML. It names the partner's number and proxy number, for the carrier that
 * dials, and never the caller's.
 */
type Verb = ReturnType<typeof element>

const respond = (...verbs: Verb[]) => writeTwiml(element('Response', {}, ...verbs))

export const reject = (reason: 'busy' | 'rejected') => respond(element('Reject', { reason }))

export const hangUp = () => respond(element('Hangup', {}))

/** Nothing at all: the answer to what was only told to us. */
export const nothing = () => respond()

/** For a caller whom we cannot help, instead of silence. */
export const apologise = () =>
  respond(
    element('Say', { language: 'en-US' }, 'We are sorry, your call cannot be completed. Goodbye.'),
    element('Hangup', {}),
  )

export const play = (url: string) => respond(element('Play', {}, url))

const spoken = (text: string | null, language: string): Verb[] => (text ? [speak(text, language)] : [])

/** What the partner hears before the two are brought together: recording is announced to both. */
export const whisper = ({ whisper, recording, recording_announcement, speech_language }: CallSettings) =>
  respond(...spoken(whisper, speech_language), ...spoken(recording ? recording_announcement : null, speech_language))

/** `at` gives the address of ours for one purpose of this call. */
export function connect(
  callee: { identifier: string; proxy_identifier: string },
  settings: CallSettings,
  at: (purpose: string) => string,
): string {
  const { greeting, recording, recording_announcement, speech_language } = settings
  return respond(
    ...spoken(greeting, speech_language),
    ...spoken(recording ? recording_announcement : null, speech_language),
    element(
      'Dial',
      {
        callerId: callee.proxy_identifier,
        answerOnBridge: 'true',
        timeout: String(settings.ring_timeout_s),
        timeLimit: String(settings.max_duration_s),
        action: at('dialled'),
        method: 'POST',
        ...(recording ? { record: 'record-from-answer-dual', recordingStatusCallback: at('recording?kind=call') } : {}),
      },
      element(
        'Number',
        {
          ...(settings.whisper || recording
            ? { url: at(recording ? 'whisper?recording=true' : 'whisper'), method: 'POST' }
            : {}),
          statusCallback: at('leg'),
          statusCallbackMethod: 'POST',
          statusCallbackEvent: 'initiated ringing answered completed',
        },
        callee.identifier,
      ),
    ),
  )
}

export function voicemail(settings: CallSettings, at: (purpose: string) => string): string {
  const { voicemail: prompt, voicemail_max_length_s, speech_language } = settings
  return respond(
    ...spoken(prompt, speech_language),
    element('Record', {
      action: at('recorded'),
      method: 'POST',
      maxLength: String(voicemail_max_length_s),
      playBeep: 'true',
      recordingStatusCallback: at('recording?kind=voicemail'),
      recordingStatusCallbackMethod: 'POST',
    }),
    element('Hangup', {}),
  )
}
