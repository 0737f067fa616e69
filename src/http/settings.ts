import type { FastifyInstance } from 'fastify'
import Type from 'typebox'
import { callSettings } from '../core/call-settings.ts'
import { coolDownOf } from '../core/cool-down.ts'
import { interceptFailureOf, updateService } from '../core/services.ts'
import type { Service } from '../db/schema.ts'
import { ClearableBoolean, ClearableInteger, ClearableOneOf, ClearableText, type Form, parseForm } from './api/form.ts'
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
    url: `${store.rules.public_url}/maskline/v1/Services/${service.sid}/Settings`,
  }
}

function parseSettings(form: Form) {
  const { ring_timeout, max_duration, voicemail_max_length, cool_down, ...others } = parseForm(Settings, form, 'update')
  return {
    ...others,
    ring_timeout_s: ring_timeout,
    max_duration_s: max_duration,
    voicemail_max_length_s: voicemail_max_length,
    cool_down_s: cool_down,
  }
}

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
