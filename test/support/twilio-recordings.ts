import { VendorError, vendorSid } from './twilio-numbers.ts'

/** A recording in a Twilio account: what the API says of it, and the bytes behind its address. */
export type AccountRecording = {
  sid: string
  call_sid: string
  duration_s: number
  channels: 1 | 2
  source: 'DialVerb' | 'RecordVerb'
  date_created: Date
  bytes: Buffer
}

export function newRecording(recording: Omit<AccountRecording, 'sid' | 'bytes'>): AccountRecording {
  return { ...recording, sid: vendorSid('RE'), bytes: silence(recording.channels, recording.duration_s) }
}

/** The account's recordings; the bytes of each go to `media`. */
export function accountRecordings(media: Map<string, { content_type: string; bytes: Buffer }>) {
  const recordings = new Map<string, AccountRecording>()
  const getRecording = (sid: string): AccountRecording => {
    const found = recordings.get(sid)
    if (!found) throw new VendorError(404, 20404, `The requested resource ${sid} was not found`)
    return found
  }
  return {
    recordings,
    getRecording,

    addRecording(added: AccountRecording) {
      recordings.set(added.sid, added)
      media.set(added.sid, { content_type: 'audio/x-wav', bytes: added.bytes })
    },

    deleteRecording(sid: string) {
      getRecording(sid)
      recordings.delete(sid)
      media.delete(sid)
    },
  }
}

const RATE_HZ = 8000

/** A WAV file of 16-bit PCM; at most a second of it, whatever the length of the call was. */
function silence(channels: number, seconds: number): Buffer {
  const samples = Buffer.alloc(Math.min(seconds, 1) * RATE_HZ * channels * 2)
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + samples.length, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(channels, 22)
  header.writeUInt32LE(RATE_HZ, 24)
  header.writeUInt32LE(RATE_HZ * channels * 2, 28)
  header.writeUInt16LE(channels * 2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36)
  header.writeUInt32LE(samples.length, 40)
  return Buffer.concat([header, samples])
}

const vendorDate = (date: Date) => date.toUTCString().replace('GMT', '+0000')

/** https://www.twilio.com/docs/voice/api/recording */
export function presentRecording(account_sid: string, origin: string, recording: AccountRecording) {
  const uri = `/2010-04-01/Accounts/${account_sid}/Recordings/${recording.sid}`
  return {
    account_sid,
    api_version: '2010-04-01',
    call_sid: recording.call_sid,
    channels: recording.channels,
    conference_sid: null,
    date_created: vendorDate(recording.date_created),
    date_updated: vendorDate(recording.date_created),
    duration: String(recording.duration_s),
    encryption_details: null,
    error_code: null,
    media_url: `${origin}${uri}`,
    price: null,
    price_unit: 'USD',
    sid: recording.sid,
    source: recording.source,
    start_time: vendorDate(recording.date_created),
    status: 'completed',
    uri: `${uri}.json`,
  }
}
