import { randomBytes } from 'node:crypto'

export class VendorError extends Error {
  readonly status: number
  readonly code: number
  constructor(status: number, code: number, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** A rented number or a short code, as the API presents it. */
export type AccountNumber = { sid: string } & Record<string, unknown>

export const vendorSid = (prefix: string) => prefix + randomBytes(16).toString('hex')

const sms = {
  sms_url: 'https://demo.twilio.com/welcome/sms/reply',
  sms_method: 'POST',
  sms_fallback_url: '',
  sms_fallback_method: 'POST',
}

export const longCode = (phone_number: string) => ({
  sid: vendorSid('PN'),
  phone_number,
  friendly_name: phone_number,
  capabilities: { voice: true, sms: true, mms: true, fax: false },
  ...sms,
  sms_application_sid: '',
  voice_url: 'https://demo.twilio.com/welcome/voice/',
  voice_method: 'POST',
  voice_fallback_url: null,
  voice_fallback_method: 'POST',
  voice_application_sid: null,
  trunk_sid: null,
  status_callback: '',
  status_callback_method: 'POST',
})

export const shortCode = (short_code: string) => ({
  sid: vendorSid('SC'),
  short_code,
  friendly_name: short_code,
  ...sms,
})

const WRITABLE = /^(Sms|Voice)((Fallback)?(Url|Method)|ApplicationSid)$|^StatusCallback(Method)?$|^TrunkSid$/

/** Twilio checks methods and addresses, and lets a trunk and a voice application clear each other. */
export function updateSetting(number: AccountNumber, name: string, value: string) {
  const field = name.replace(/(?!^)([A-Z])/g, '_$1').toLowerCase()
  if (!WRITABLE.test(name) || !(field in number)) throw new Error(`a Twilio number has no setting ${name}`)
  if (name.endsWith('Method') && !['GET', 'POST'].includes(value))
    throw new VendorError(400, 21403, `${name} is not valid`)
  if (/Url$|Callback$/.test(name) && value !== '' && !URL.canParse(value)) {
    throw new VendorError(400, 21402, `${name} is not valid: ${value}`)
  }
  number[field] = value
  if (name === 'TrunkSid') number.voice_application_sid = ''
  if (name === 'VoiceApplicationSid') number.trunk_sid = ''
}
