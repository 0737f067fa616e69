import { CarrierError } from '../../core/carrier.ts'
import { newSid } from '../../core/sid.ts'
import { forgetOldest } from './handsets.ts'

/** What was recorded, in the network's memory: how long it is. The sound is made when somebody asks for it. */
export type Recordings = {
  add(account_sid: string, duration_s: number): { recording_sid: string; url: string }
  fetch(account_sid: string, recording_sid: string, maxBytes: number): { content_type: string; bytes: Buffer }
  forget(account_sid: string, recording_sid: string): void
  /** In seconds; undefined when it was deleted or forgotten. */
  lengthOf(account_sid: string, recording_sid: string): number | undefined
}

/** Of one account; beyond it the oldest is forgotten. */
const MAX_RECORDINGS = 10_000

export function createRecordings(): Recordings {
  const accounts = new Map<string, Map<string, number>>()

  return {
    add(account_sid, duration_s) {
      const known = accounts.get(account_sid) ?? new Map<string, number>()
      accounts.set(account_sid, known)
      const recording_sid = newSid('RE')
      known.set(recording_sid, duration_s)
      forgetOldest(known, MAX_RECORDINGS)
      return { recording_sid, url: `simulator://recordings/${recording_sid}` }
    },
    fetch(account_sid, recording_sid, maxBytes) {
      const duration_s = accounts.get(account_sid)?.get(recording_sid)
      if (duration_s === undefined)
        throw new CarrierError('refused', 'the simulated carrier has no such recording', { code: 20404 })
      const bytes = tone(duration_s)
      if (bytes.length > maxBytes) throw new CarrierError('refused', 'the recording is too large')
      return { content_type: 'audio/wav', bytes }
    },
    forget(account_sid, recording_sid) {
      accounts.get(account_sid)?.delete(recording_sid)
    },
    lengthOf: (account_sid, recording_sid) => accounts.get(account_sid)?.get(recording_sid),
  }
}

const RATE = 8000
const HEADER_BYTES = 44
const MAX_TONE_S = 5
const PITCH_HZ = 440
/** Of the loudest there could be. */
const VOLUME = 0.1

/** A WAV file: one channel of 16-bit samples, a soft tone of this many seconds, but no more than a few. */
function tone(duration_s: number): Buffer {
  const samples = Math.min(duration_s, MAX_TONE_S) * RATE
  const file = Buffer.alloc(HEADER_BYTES + samples * 2)
  file.write('RIFF', 0, 'latin1')
  file.writeUInt32LE(file.length - 8, 4)
  file.write('WAVEfmt ', 8, 'latin1')
  // What follows is 16 bytes long and describes plain samples (1) of one channel.
  file.writeUInt32LE(16, 16)
  file.writeUInt16LE(1, 20)
  file.writeUInt16LE(1, 22)
  file.writeUInt32LE(RATE, 24)
  file.writeUInt32LE(RATE * 2, 28)
  file.writeUInt16LE(2, 32)
  file.writeUInt16LE(16, 34)
  file.write('data', 36, 'latin1')
  file.writeUInt32LE(samples * 2, 40)
  for (let at = 0; at < samples; at++) {
    const height = Math.sin((2 * Math.PI * PITCH_HZ * at) / RATE) * VOLUME
    file.writeInt16LE(Math.round(height * 0x7fff), HEADER_BYTES + at * 2)
  }
  return file
}
