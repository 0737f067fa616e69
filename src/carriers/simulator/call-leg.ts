import type { CallLeg, GatherOptions, Recorded, RecordOptions } from '../../twiml/call.ts'
import type { Call, Exchange } from './call.ts'
import { dial, keepRecording } from './dial.ts'
import { endLeg, hear, isOver, type Leg, press, type Sound, secondsBetween, setStatus, waitFor } from './legs.ts'

/** A leg as TwiML is carried out on it: the caller's, and during a whisper the one that answered. */
export function speakTo(exchange: Exchange, call: Call, leg: Leg): CallLeg {
  const sound = async (what: Sound) => {
    if (leg.isInterrupted) return
    setStatus(leg, 'in-progress')
    hear(leg, what)
  }
  return {
    get hasEnded() {
      return isOver(leg)
    },
    answer: async () => setStatus(leg, 'in-progress'),
    say: (text, { language }) => sound({ kind: 'say', text, language }),
    play: (url) => sound({ kind: 'play', url }),
    sendDigits: (digits) => sound({ kind: 'digits', digits }),
    async pause(seconds) {
      if (leg.isInterrupted) return
      hear(leg, { kind: 'pause', seconds })
      await waitFor([leg], () => isOver(leg) || leg.isInterrupted, seconds * 1000)
    },
    gather: (options) => gather(leg, options),
    async dial(options) {
      if (leg === call.caller) return await dial(exchange, call, options, (callee) => speakTo(exchange, call, callee))
      return { call_sid: undefined, status: 'failed', duration_s: 0, recording: undefined }
    },
    record: (options) => record(exchange, call, leg, options),
    async end(how) {
      // The tone belongs to a call that nobody picked up.
      if (how === 'busy' && leg.statuses.every(({ status }) => status === 'ringing')) hear(leg, { kind: 'busy-tone' })
      endLeg(leg, how === 'busy' ? 'busy' : 'no-answer')
    },
  }
}

async function gather(leg: Leg, options: GatherOptions): Promise<string> {
  setStatus(leg, 'in-progress')
  if (isOver(leg)) return ''
  leg.keys = ''
  const read = () => readKeys(leg.keys ?? '', options)
  await options.prompts()
  let before = -1
  while (!isOver(leg) && !read().isComplete && before !== leg.keys.length) {
    const count = leg.keys.length
    before = count
    await waitFor([leg], () => isOver(leg) || leg.keys?.length !== count, options.timeout_s * 1000)
  }
  const { digits } = read()
  stopListening(leg)
  return digits
}

function readKeys(keys: string, { finish_on_key, num_digits }: Pick<GatherOptions, 'finish_on_key' | 'num_digits'>) {
  let digits = ''
  for (const key of keys) {
    if (finish_on_key.includes(key)) return { digits, isComplete: true }
    digits += key
    if (digits.length === num_digits) return { digits, isComplete: true }
  }
  return { digits, isComplete: false }
}

/** A person who is recorded talks all the time, so that silence never ends it. */
async function record(exchange: Exchange, call: Call, leg: Leg, options: RecordOptions): Promise<Recorded | undefined> {
  setStatus(leg, 'in-progress')
  if (isOver(leg)) return undefined
  if (options.play_beep) hear(leg, { kind: 'beep' })
  leg.keys = ''
  const started = leg.clock.now()
  const finishingKey = () => [...(leg.keys ?? '')].find((key) => options.finish_on_key.includes(key))
  await waitFor([leg], () => isOver(leg) || finishingKey() !== undefined, options.max_length_s * 1000)
  const digits = isOver(leg) ? 'hangup' : (finishingKey() ?? '')
  stopListening(leg)
  const duration_s = secondsBetween(started, leg.clock.now())
  if (duration_s === 0) return undefined
  return { ...keepRecording(exchange, call, 'RecordVerb', duration_s, options.recording_status_callback), digits }
}

function stopListening(leg: Leg) {
  leg.keys = undefined
  leg.isInterrupted = false
}

/** What a person does with a handset that is connected: the keys are heard by whoever is on the other side. */
export function pressKeys(call: Call, leg: Leg, digits: string): void {
  press(leg, digits)
  const { partner, caller } = call
  if (partner && (leg === caller || leg === partner)) {
    hear(leg === caller ? partner : caller, { kind: 'digits', digits })
  }
}
