import type { Service } from '../../api/bodies.ts'
import type { ServiceSettings } from '../../api/set-up-bodies.ts'

/** `of` says which of the two resources of a service holds it: the vendor's, or ours. */
export type Setting = {
  name: string
  of: 'service' | 'settings'
  label: string
  hint: string
} & (
  | { kind: 'text' | 'url' | 'words' | 'lines' | 'flag' }
  | { kind: 'number' | 'seconds'; min: number; max: number }
  | { kind: 'choice'; choices: readonly (readonly [value: string, label: string])[] }
)

export type Group = { title: string; text: string; settings: readonly Setting[] }
export type Values = { service: Service; settings: ServiceSettings }

const SAID = 'What is said, or the URL of what is played.'

const ACTIONS = [
  ['off', 'Let it pass'],
  ['flag', 'Note it as an event'],
  ['redact', 'Take it out of the text'],
  ['block', 'Stop the text'],
] as const

const guard = (kind: string, label: string, hint: string): Setting => ({
  name: `ContentGuard${kind}`,
  of: 'settings',
  kind: 'choice',
  label,
  hint,
  choices: ACTIONS,
})

const said = (name: string, label: string, hint: string): Setting => ({
  name,
  of: 'settings',
  kind: 'words',
  label,
  hint,
})

export const GROUPS: readonly Group[] = [
  {
    title: 'Service',
    text: 'Its name, and how long its sessions live.',
    settings: [
      { name: 'UniqueName', of: 'service', kind: 'text', label: 'Unique name', hint: 'For your eyes and your code.' },
      {
        name: 'DefaultTtl',
        of: 'service',
        kind: 'seconds',
        min: 0,
        max: 2_147_483_646,
        label: 'Time to live',
        hint: 'A session expires this long after its last interaction, unless it is created with a ttl of its own. 0: never.',
      },
    ],
  },
  {
    title: 'Choice of numbers',
    text: 'Which proxy number a participant gets.',
    settings: [
      {
        name: 'GeoMatchLevel',
        of: 'service',
        kind: 'choice',
        label: 'Geo match',
        hint: 'How near a proxy number has to be to the person’s own.',
        choices: [
          ['country', 'Same country'],
          ['area-code', 'Same area code'],
          ['overlay', 'Same area code, or one that overlays it'],
          ['extended-area-code', 'Extended area code'],
          ['radius', 'Within a radius'],
        ],
      },
      {
        name: 'NumberSelectionBehavior',
        of: 'service',
        kind: 'choice',
        label: 'Numbers a person had before',
        hint: 'With another partner, a number that is cooling down comes last all the same.',
        choices: [
          ['prefer-sticky', 'Give the same one again'],
          ['avoid-sticky', 'Give another one'],
        ],
      },
      {
        name: 'CoolDown',
        of: 'settings',
        kind: 'seconds',
        min: 0,
        max: 31_536_000,
        label: 'Cool-down',
        hint: 'So long a person who was released from a number is not given it with another partner. Late replies reach nobody else.',
      },
      {
        name: 'CoolDownMode',
        of: 'settings',
        kind: 'choice',
        label: 'When only cooling numbers are left',
        hint: 'Refusing answers the request with 80208.',
        choices: [
          ['best-effort', 'Use the one released longest ago'],
          ['strict', 'Refuse the participant'],
        ],
      },
    ],
  },
  {
    title: 'Callbacks',
    text: 'What your application is told and asked.',
    settings: [
      {
        name: 'CallbackUrl',
        of: 'service',
        kind: 'url',
        label: 'Callback URL',
        hint: 'Told of every interaction and of each change of its outbound leg.',
      },
      {
        name: 'InterceptCallbackUrl',
        of: 'service',
        kind: 'url',
        label: 'Intercept callback URL',
        hint: 'Asked before each interaction. An answer of 403 blocks it.',
      },
      {
        name: 'InterceptFailure',
        of: 'settings',
        kind: 'choice',
        label: 'When the intercept callback fails',
        hint: 'It fails when it cannot be reached, is late, or answers anything but 2xx and 403.',
        choices: [
          ['proceed', 'Let the interaction pass'],
          ['block', 'Block the interaction'],
        ],
      },
      {
        name: 'OutOfSessionCallbackUrl',
        of: 'service',
        kind: 'url',
        label: 'Out-of-session callback URL',
        hint: 'Asked what to do with a message or call that belongs to no session.',
      },
    ],
  },
  {
    title: 'Calls',
    text: 'A change holds for the next call. Empty fields go back to what the server is set to.',
    settings: [
      {
        name: 'RingTimeout',
        of: 'settings',
        kind: 'seconds',
        min: 5,
        max: 600,
        label: 'Ring time',
        hint: 'How long the partner’s phone rings. Stay below what answering machines wait.',
      },
      {
        name: 'MaxDuration',
        of: 'settings',
        kind: 'seconds',
        min: 10,
        max: 86_400,
        label: 'Longest call',
        hint: 'A call is ended after so much talk.',
      },
      said('LastMinuteAnnouncement', 'Last-minute announcement', `Heard by both a minute before that. ${SAID}`),
      said('Greeting', 'Greeting', `Heard by the caller before the partner is called. ${SAID}`),
      said('Whisper', 'Whisper', `Heard by the partner alone, before the two are connected. ${SAID}`),
      {
        name: 'SpeechLanguage',
        of: 'settings',
        kind: 'text',
        label: 'Language',
        hint: 'The language that texts are said in, such as en-GB.',
      },
    ],
  },
  {
    title: 'Recordings and voicemail',
    text: 'Both people are always told that they are recorded. Whether that is consent enough is for the law of their places.',
    settings: [
      {
        name: 'Recording',
        of: 'settings',
        kind: 'flag',
        label: 'Record calls',
        hint: 'From the answer on, both sides.',
      },
      said('RecordingAnnouncement', 'Announcement', `Heard by both before they are connected. ${SAID}`),
      said('Voicemail', 'Voicemail', `Heard by a caller whose call was not taken. Empty: no voicemail. ${SAID}`),
      {
        name: 'VoicemailMaxLength',
        of: 'settings',
        kind: 'seconds',
        min: 5,
        max: 600,
        label: 'Longest voicemail',
        hint: 'A message ends after so long.',
      },
    ],
  },
  {
    title: 'Content guard',
    text: 'What is done about contact details that people type. Try noting it first: what is found is in the event log.',
    settings: [
      guard('OwnNumber', 'Their own numbers', 'The number of either of the two, in any disguise.'),
      guard('OtherNumbers', 'Other telephone numbers', 'May take a ten-digit reference for a number.'),
      guard('EmailAddresses', 'E-mail addresses', 'Also when they are spelled out.'),
      guard('Links', 'Links', 'Also without https://, shortened or spelled out.'),
      guard('PaymentWords', 'Words about payment', 'Cash, PayPal, bank transfer and others, and your own below.'),
      {
        name: 'ContentGuardNotice',
        of: 'settings',
        kind: 'words',
        label: 'Notice to the sender',
        hint: 'A text to whoever wrote what was taken out or stopped. Empty: nobody is told.',
      },
      {
        name: 'AllowedDomains',
        of: 'settings',
        kind: 'lines',
        label: 'Allowed domains',
        hint: 'Links to these, and to what is below them, pass. One a line: example.com.',
      },
      {
        name: 'PaymentWords',
        of: 'settings',
        kind: 'lines',
        label: 'Your words about payment',
        hint: 'Besides those that are always looked for. One a line.',
      },
      {
        name: 'AllowVcards',
        of: 'settings',
        kind: 'flag',
        label: 'Pass visiting cards on',
        hint: 'They hold names and numbers, and are left out unless this is on.',
      },
    ],
  },
  {
    title: 'Floods and opt-out',
    text: 'What one person sends to one proxy number. More than this is blocked.',
    settings: [
      {
        name: 'FloodLimit',
        of: 'settings',
        kind: 'number',
        min: 0,
        max: 10_000,
        label: 'Texts a minute',
        hint: '0: any number. Empty: as the server is set.',
      },
      {
        name: 'RepeatLimit',
        of: 'settings',
        kind: 'number',
        min: 0,
        max: 10_000,
        label: 'The same text in a row',
        hint: 'Within ten minutes. Parts two automatic answers that answer each other.',
      },
      {
        name: 'OptOutWords',
        of: 'settings',
        kind: 'flag',
        label: 'Keep opt-out words from the partner',
        hint: 'STOP and its like are for the carrier.',
      },
    ],
  },
]

const keyOf = (name: string) => name.replace(/(?!^)[A-Z]/g, (letter) => `_${letter}`).toLowerCase()

/** What holds now, as a field shows it. */
export function shownValue({ name, of }: Setting, values: Values): string {
  const value = (values[of] as Record<string, unknown>)[keyOf(name)]
  return Array.isArray(value) ? value.join('\n') : String(value ?? '')
}

/** What a field holds, as the API takes it; nothing in it clears the setting. */
export function sentValue({ kind }: Setting, shown: string): string | string[] {
  if (kind !== 'lines') return shown.trim()
  const lines = shown
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
  return lines.length > 0 ? lines : ''
}
