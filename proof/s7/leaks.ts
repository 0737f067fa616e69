import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import type { SentAnswer } from './answers.ts'

/**
 * The control: a server that gives people away wherever it answers. It dials without a caller ID, so that the carrier
 * shows the number the call came from; tells the partner who calls, in words and in a comment; and quotes the caller in
 * errors and in what is on record of a call. Each in another disguise.
 */
export function plantLeaks() {
  /** The calls' SIDs and who made them: the legs that are dialled name their parent. */
  const callers = new Map<string, string>()
  return ({ path, status, text, asked, place }: SentAnswer): string | undefined => {
    const from = asked?.get('From') ?? ''
    const sid = asked?.get('CallSid') ?? ''
    if (place === 'answers about the caller’s leg' && /^\+\d/.test(from)) callers.set(sid, from)
    const caller = callers.get(asked?.get('ParentCallSid') ?? sid) ?? [...callers.values()].at(-1)
    if (!caller) return undefined
    const quoted = encodeURIComponent(encodeURIComponent(caller))
    if (status >= 400) return text.replace(/^(\{.*"message":")?/s, (before) => `${before}${quoted} `)
    if (place === 'answers about the caller’s leg') return text.replaceAll(/ callerId="[^"]*"/g, '')
    if (path.endsWith('/whisper')) return text.replace('<Response>', `<Response><Say>${written(caller)}</Say>`)
    if (place === 'answers about the partner’s leg') return text + comment(caller)
    if (place === 'recordings' || place === 'interactions' || place === 'events') {
      return text.startsWith('{') ? text.replace('{', `{"by":"${[...caller].reverse().join('')}",`) : undefined
    }
    return undefined
  }
}

const written = (number: string) => parsePhoneNumberFromString(number)?.formatNational() ?? number
const comment = (number: string) => `<!-- ${Buffer.from(`of ${number}`).toString('base64')} -->`
