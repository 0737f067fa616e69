import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { callSettings } from '../core/call-settings.ts'
import { CONTENT_ACTIONS, contentGuardOf } from '../core/content-settings.ts'
import { coolDownOf } from '../core/cool-down.ts'
import { interceptFailureOf, updateService } from '../core/services.ts'
import type { ContentAction, Service } from '../db/schema.ts'
import {
  ClearableBoolean,
  ClearableInteger,
  ClearableOneOf,
  ClearableText,
  ClearableTexts,
  type Form,
  parseForm,
} from './api/form.ts'
import { once } from './api/idempotency.ts'
import { Nullable, OneOf, Plain, SidOf, Url } from './api/present.ts'
import { formOf, route } from './api/route.ts'
import { getService } from './api/services.ts'
import type { HttpContext } from './context.ts'

const Words = (description: string) =>
  Type.Optional(
    ClearableText({
      maxLength: 1000,
      description: `${description} A text that is said, or the URL of what is played.`,
    }),
  )

const COOL_DOWN_MODES = ['best-effort', 'strict'] as const
const INTERCEPT_FAILURES = ['proceed', 'block'] as const

const GUARDS = ['off', ...CONTENT_ACTIONS] as const
const Guard = (what: string) =>
  Type.Optional(
    ClearableOneOf(
      GUARDS,
      `What is done about ${what} in a text: nothing, a note, taking it out, or stopping the text.`,
    ),
  )
const Limit = (description: string) =>
  Type.Optional(ClearableInteger({ minimum: 0, maximum: 10_000, description: `${description}; 0 for any number.` }))

const Settings = Type.Object({
  OptOutWords: Type.Optional(
    Type.Boolean({ description: 'Whether STOP and its like are kept from the partner; on unless set.' }),
  ),
  RingTimeout: Type.Optional(
    ClearableInteger({ minimum: 5, maximum: 600, description: "Seconds that the partner's phone rings." }),
  ),
  MaxDuration: Type.Optional(
    ClearableInteger({ minimum: 10, maximum: 86_400, description: 'Seconds of talk after which a call is ended.' }),
  ),
  LastMinuteAnnouncement: Words('Heard by both a minute before MaxDuration is over.'),
  Greeting: Words('Heard by the caller before the partner is called.'),
  Whisper: Words('Heard by the partner alone, before the two are brought together.'),
  Recording: Type.Optional(
    ClearableBoolean({ description: 'Whether calls are recorded, which is announced to both.' }),
  ),
  RecordingAnnouncement: Words('Heard by both when calls are recorded, instead of words of ours.'),
  Voicemail: Words('Heard by a caller whose call was not taken, who may then leave a message.'),
  VoicemailMaxLength: Type.Optional(
    ClearableInteger({ minimum: 5, maximum: 600, description: 'Seconds that such a message may last.' }),
  ),
  SpeechLanguage: Type.Optional(
    ClearableText({ maxLength: 35, description: 'In which texts are said, as in en-US (BCP 47).' }),
  ),
  CoolDown: Type.Optional(
    ClearableInteger({
      minimum: 0,
      maximum: 31_536_000,
      description: 'Seconds for which people who were released from a number are not given it with another partner.',
    }),
  ),
  CoolDownMode: Type.Optional(
    ClearableOneOf(
      COOL_DOWN_MODES,
      'Whether such a number is tried last, or never: then the person is refused when no other is free.',
    ),
  ),
  InterceptFailure: Type.Optional(
    ClearableOneOf(
      INTERCEPT_FAILURES,
      'Whether an interaction passes or is blocked when the InterceptCallbackUrl fails, or answers anything but 2xx and 403.',
    ),
  ),
  ContentGuardOwnNumber: Guard("either person's own number, in any disguise,"),
  ContentGuardOtherNumbers: Guard('other telephone numbers'),
  ContentGuardEmailAddresses: Guard('e-mail addresses'),
  ContentGuardLinks: Guard('links'),
  ContentGuardPaymentWords: Guard('words about payment'),
  ContentGuardNotice: Type.Optional(
    ClearableText({
      maxLength: 320,
      description: 'Sent to whose text was redacted or blocked; without it nobody is told.',
    }),
  ),
  AllowedDomains: Type.Optional(
    ClearableTexts({ maxItems: 200, description: 'Links to these, and to what is below them, are none.' }),
  ),
  PaymentWords: Type.Optional(
    ClearableTexts({ maxItems: 200, description: 'Words about payment, besides those that are always looked for.' }),
  ),
  AllowVcards: Type.Optional(
    ClearableBoolean({
      description: 'Whether visiting cards are passed on, which hold numbers; they are left out unless set.',
    }),
  ),
  FloodLimit: Limit('Texts a minute from one person to one proxy number'),
  RepeatLimit: Limit('How often one person may send the same text in a row'),
})

const SettingsBody = Type.Object({
  service_sid: SidOf('KS'),
  opt_out_words: Type.Boolean(),
  ring_timeout: Type.Integer(),
  max_duration: Type.Integer(),
  last_minute_announcement: Nullable(Plain),
  greeting: Nullable(Plain),
  whisper: Nullable(Plain),
  recording: Type.Boolean(),
  recording_announcement: Nullable(Plain),
  voicemail: Nullable(Plain),
  voicemail_max_length: Type.Integer(),
  speech_language: Plain,
  cool_down: Type.Integer(),
  cool_down_mode: OneOf(COOL_DOWN_MODES),
  intercept_failure: OneOf(INTERCEPT_FAILURES),
  content_guard_own_number: OneOf(GUARDS),
  content_guard_other_numbers: OneOf(GUARDS),
  content_guard_email_addresses: OneOf(GUARDS),
  content_guard_links: OneOf(GUARDS),
  content_guard_payment_words: OneOf(GUARDS),
  content_guard_notice: Nullable(Plain),
  allowed_domains: Type.Array(Plain),
  payment_words: Type.Array(Plain),
  allow_vcards: Type.Boolean(),
  flood_limit: Type.Integer(),
  repeat_limit: Type.Integer(),
  url: Url,
})

/** What holds: where the service says nothing, what the deployment does. */
export const presentSettings = ({ store }: Pick<HttpContext, 'store'>, service: Service) => {
  const effective = callSettings(store, service)
  const { cool_down_s, cool_down_mode } = coolDownOf(service)
  return {
    service_sid: service.sid,
    opt_out_words: service.opt_out_words,
    ring_timeout: effective.ring_timeout_s,
    max_duration: effective.max_duration_s,
    last_minute_announcement: effective.last_minute_announcement,
    greeting: effective.greeting,
    whisper: effective.whisper,
    recording: effective.recording,
    recording_announcement: effective.recording ? effective.recording_announcement : service.recording_announcement,
    voicemail: effective.voicemail,
    voicemail_max_length: effective.voicemail_max_length_s,
    speech_language: effective.speech_language,
    cool_down: cool_down_s,
    cool_down_mode,
    intercept_failure: interceptFailureOf(service),
    ...Object.fromEntries(
      Object.entries(contentGuardOf(service)).map(([kind, action]) => [`content_guard_${kind}`, action ?? 'off']),
    ),
    content_guard_notice: service.content_guard_notice,
    allowed_domains: service.allowed_domains ?? [],
    payment_words: service.payment_words ?? [],
    allow_vcards: service.allow_vcards,
    flood_limit: service.flood_limit ?? store.rules.flood_limit,
    repeat_limit: service.repeat_limit ?? store.rules.repeat_limit,
    url: `${store.rules.public_url}/maskline/v1/Services/${service.sid}/Settings`,
  }
}

function parseSettings(form: Form) {
  const { ring_timeout, max_duration, voicemail_max_length, cool_down, ...others } = parseForm(Settings, form, 'update')
  const { allowed_domains } = others
  return {
    ...others,
    content_guard_own_number: guarded(others.content_guard_own_number),
    content_guard_other_numbers: guarded(others.content_guard_other_numbers),
    content_guard_email_addresses: guarded(others.content_guard_email_addresses),
    content_guard_links: guarded(others.content_guard_links),
    content_guard_payment_words: guarded(others.content_guard_payment_words),
    allowed_domains: allowed_domains?.map((domain) => domain.toLowerCase()) ?? allowed_domains,
    ring_timeout_s: ring_timeout,
    max_duration_s: max_duration,
    voicemail_max_length_s: voicemail_max_length,
    cool_down_s: cool_down,
  }
}

const guarded = (given: (typeof GUARDS)[number] | null | undefined): ContentAction | null | undefined =>
  given === 'off' ? null : given

export function settingsRoutes(app: FastifyInstance, context: HttpContext): void {
  const url = '/Services/:ServiceSid/Settings'

  route(
    app,
    'GET',
    url,
    { summary: 'Fetch settings of a service', scope: 'services:read', answer: SettingsBody },
    async (request) => presentSettings(context, await getService(context, request)),
  )

  route(
    app,
    'POST',
    url,
    { summary: 'Change settings of a service', scope: 'services:write', body: Settings, answer: SettingsBody },
    async (request) => {
      const service = await getService(context, request)
      return await once(request, async (trx) =>
        presentSettings(context, await updateService(trx, service, parseSettings(formOf(request)))),
      )
    },
  )
}
