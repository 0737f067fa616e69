import assert from 'node:assert/strict'
import { callingCodeOf } from '../core/e164.ts'
import { readMethod, resolveUrl, type TwimlWarning, warn } from './document.ts'
import { MAX_BYTES, parseTwiml, quoteName, TwimlError, type TwimlNode } from './parse.ts'
import { element, writeTwiml } from './write.ts'

/**
 * Makes a customer's call TwiML safe to hand on to whoever carries it out. Two things are taken care of: nobody who is
 * dialled is shown the caller's number, and every address that the call will request is ours, so that the documents to
 * come pass through here too. Verbs are not listed: what we have never heard of passes, with its addresses rewritten.
 */
export type PassThrough = {
  /** Where the document came from: relative addresses are meant from there, and it is what Gather and Record go on to. */
  url: string
  /** The number that was dialled: what a Dial shows that names no other. */
  caller_id: string
  /** The caller's real number, which nobody may be shown; '' when it is not known, and then no caller ID is trusted. */
  caller: string
  /** Our address by which a customer's is requested; `tell` for notifications, whose answer is not TwiML. */
  via: (url: string, method: 'POST' | 'GET', purpose: Purpose) => string
  /** Our address for calls, when `url` is an ingress of ours or of the vendor's, as old applications have it. */
  ingress: (url: string) => string | undefined
}

type Purpose = 'document' | 'tell'
type Run = PassThrough & { namesCaller: (text: string) => boolean; warnings: TwimlWarning[] }

/** Throws `TwimlError` when nothing of the document can be carried out. */
export function passThrough(body: string, options: PassThrough): { twiml: string; warnings: TwimlWarning[] } {
  assert(options.caller_id, 'A Dial without a caller ID shows the number of the caller.')
  const run: Run = { ...options, namesCaller: callerTest(options.caller), warnings: [] }
  const { name, attributes, content } = parseTwiml(body)
  const twiml = writeTwiml(element(name, attributes, ...content.map((piece) => rewrite(piece, run, 'outside'))))
  // Our addresses are longer than those they stand for, and carriers have the same limit as we.
  if (Buffer.byteLength(twiml) > MAX_BYTES) {
    throw new TwimlError('The TwiML is larger than 64 KiB once its addresses are ours.')
  }
  return { twiml, warnings: run.warnings }
}

/** Undefined leaves an element out. Comments and processing instructions are gone already: the tree has none. */
function rewrite(piece: string | TwimlNode, run: Run, where: 'outside' | 'in-dial'): string | TwimlNode | undefined {
  if (typeof piece === 'string') return piece
  const { name, text, content } = piece
  const refusal = refuse(piece, run, where)
  if (refusal) {
    warn(run, refusal)
    return undefined
  }

  const attributes = rewriteAttributes(piece, run)
  if (name === 'Redirect') {
    const url = request(text, readMethod(piece.attributes.method), 'document', run)
    if (!url) throw new TwimlError('The address of a Redirect is not an http or https URL.', 11200)
    return element(name, { ...attributes, method: 'POST' }, url)
  }
  // Sounds and pictures are fetched by the carrier, without a word about the call: they need no detour.
  if ((name === 'Play' || name === 'Media') && text.trim() !== '') {
    const url = resolveUrl(text.trim(), run.url)
    if (!url) warn(run, `A ${name} was left out: its address is not an http or https URL.`)
    return url && element(name, attributes, url)
  }
  const inside = name === 'Dial' ? 'in-dial' : where
  return element(name, attributes, ...content.map((inner) => rewrite(inner, run, inside)))
}

/** Names that the rules here rest on. TwiML is case-sensitive, but a carrier that is not must find no other Dial. */
const NAMES = ['Dial', 'Gather', 'Media', 'Parameter', 'Play', 'Record', 'Redirect', 'Refer', 'Sip', 'Sms', 'Message']
const SPELLING = new Map(NAMES.map((name) => [name.toLowerCase(), name]))

/** Why an element is left out. */
function refuse(node: TwimlNode, run: Run, where: 'outside' | 'in-dial'): string | undefined {
  const { name, attributes } = node
  const known = SPELLING.get(localName(name))
  if (known && known !== name) return `The element ${quoteName(name)} was left out: TwiML spells it ${known}.`
  // A transfer by SIP hands over the caller's own leg, and with it the number it came from.
  if (name === 'Refer') return 'A Refer was left out: it would show the number of the caller.'
  // The address of a SIP call carries headers, and parameters go to the application of whoever is dialled. Addresses
  // in attributes are not sent to either of them.
  const isSent = name === 'Sip' || (name === 'Parameter' && where === 'in-dial')
  const sent = Object.entries(attributes).flatMap(([key, value]) => (isAddress(key) ? [] : [value]))
  const isNaming = isSent && [textInside(node), ...sent].some(run.namesCaller)
  return isNaming ? `A ${name} was left out: it holds the number of the caller.` : undefined
}

function rewriteAttributes(node: TwimlNode, run: Run): Record<string, string> {
  const attributes = new Map(Object.entries(node.attributes))
  if (goesOnToItself(node) && !attributes.get('action')?.trim()) attributes.set('action', run.url)
  for (const [key, value] of attributes) {
    if (isAddress(key)) rewriteAddress(node, key, value, attributes, run)
  }
  if (node.name === 'Dial') showNobody(attributes, run)
  const { from } = node.attributes
  if ((node.name === 'Sms' || node.name === 'Message') && from && run.namesCaller(from)) {
    attributes.set('from', run.caller_id)
  }
  return Object.fromEntries(attributes)
}

/**
 * Without an `action` these request the document they stand in. The carrier would take that to be the address of ours
 * at which it got it, which for the first document is the ingress.
 */
const goesOnToItself = ({ name }: TwimlNode) => name === 'Gather' || name === 'Record'

/**
 * Without a caller ID a Dial shows the caller's number, and applications often copy it there from the request. It may
 * also stand in what is shown beside it, such as the reason of the call.
 */
function showNobody(attributes: Map<string, string>, run: Run): void {
  for (const [key, value] of attributes) {
    const isCallerId = localName(key) === 'callerid'
    if (isCallerId && (key !== 'callerId' || run.caller === '' || run.namesCaller(value))) attributes.delete(key)
    else if (!isAddress(key) && run.namesCaller(value)) {
      warn(run, `The attribute ${quoteName(key)} of Dial was left out: it holds the number of the caller.`)
      attributes.delete(key)
    }
  }
  if (!attributes.get('callerId')?.trim()) attributes.set('callerId', run.caller_id)
}

/**
 * Whether the carrier requests what this attribute names: `action`, `url`, `waitUrl`, `statusCallback` and all that are
 * named like them, whichever their case, because one too many does no harm and one too few goes past us.
 */
const isAddress = (key: string) => /^action$|(url|callback)$/.test(localName(key))

/** Verbs that open a socket to the customer's application, which is not a request. */
const SOCKETS = ['Stream', 'ConversationRelay']

function rewriteAddress(node: TwimlNode, key: string, value: string, attributes: Map<string, string>, run: Run): void {
  if (value.trim() === '') {
    // No address. Only for `waitUrl` that is not the same as no attribute: it means silence.
    if (key !== 'waitUrl') attributes.delete(key)
    return
  }
  const isSocket = key === 'url' && SOCKETS.includes(node.name)
  if (isSocket && /^\s*wss:\/\//i.test(value) && URL.canParse(value)) return

  const methodKey = methodOf(key).find((name) => attributes.has(name))
  const method = readMethod(methodKey && node.attributes[methodKey])
  const purpose = /callback/i.test(key) ? 'tell' : 'document'
  const given = isSocket ? undefined : request(value, method, purpose, run)
  if (!given) {
    const names = `${quoteName(key)} of ${quoteName(node.name)}`
    warn(run, `The attribute ${names} was left out: its address is none that can be requested.`)
  }
  const ours = given ?? (key === 'action' && goesOnToItself(node) ? request(run.url, method, purpose, run) : undefined)
  if (!ours) {
    attributes.delete(key)
    return
  }
  attributes.set(key, ours)
  // We are asked by POST, and ask the customer's address by the method it names.
  if (methodKey) attributes.set(methodKey, 'POST')
}

/** The attribute that goes with an address; with `waitUrl` it is called `waitMethod` or `waitUrlMethod`, by verb. */
function methodOf(key: string): string[] {
  if (key === 'action' || key === 'url') return ['method']
  return [`${key}Method`, `${key.replace(/url$/i, '')}Method`]
}

/** Our address for a customer's. An ingress answers calls, in any document's place, and cannot be told anything. */
function request(text: string, method: 'POST' | 'GET', purpose: Purpose, run: Run): string | undefined {
  const url = resolveUrl(text.trim(), run.url)
  const ingress = url && run.ingress(url)
  if (ingress) return purpose === 'document' ? ingress : undefined
  return url && run.via(url, method, purpose)
}

/** Some readers take the text of an element to be that of its children too. */
const textInside = ({ content }: TwimlNode): string =>
  content.map((piece) => (typeof piece === 'string' ? piece : textInside(piece))).join('')

/** Without the prefix of a namespace, which some readers ignore, and without case. */
const localName = (name: string) => name.slice(name.lastIndexOf(':') + 1).toLowerCase()

/** Shorter ones occur in other numbers by chance. */
const MIN_DIGITS = 7

/**
 * Tells whether a text names the caller. What counts is the digits of the number as its own country writes it, wherever
 * they are, so that no spelling hides it: `(202) 555-0102`, `001 202…`, `sip:+1202…@host`, `%2B1202…`.
 */
function callerTest(caller: string): (text: string) => boolean {
  const person = userOf(caller)
  const digits = person.replace(/\D/g, '')
  if (digits.length < MIN_DIGITS) return (text) => person !== '' && userOf(text) === person
  const national = digits.slice(callingCodeOf(`+${digits}`)?.length ?? 0)
  const looked = national.length < MIN_DIGITS ? digits : national
  return (text) => {
    const read = percentDecode(text)
    // No number that can be dialled has digits of another script, and nothing here compares them.
    return /(?![0-9])\p{N}/u.test(read) || read.replace(/\D/g, '').includes(looked)
  }
}

/** `alice` of `client:alice` and of `sip:alice@example.com`; `12345` of `+12345`. */
const userOf = (address: string) =>
  address
    .trim()
    .replace(/^([a-z]+:)?\s*\+?/i, '')
    .replace(/@.*$/s, '')
    .toLowerCase()

const percentDecode = (text: string) =>
  text.replace(/(?:%[\da-f]{2})+/gi, (escapes) => Buffer.from(escapes.replaceAll('%', ''), 'hex').toString())
