import { readAnswer, readMethod, resolveUrl, type TwimlDocument, type TwimlWarning, warn } from './document.ts'
import { parseTwiml, quoteName, TwimlError, type TwimlNode } from './parse.ts'

/**
 * Carries out the TwiML that answers an inbound message, so that every carrier behaves alike. Verbs run in order: what
 * stands before a `<Redirect>` happens even when the redirect then fails, what stands after it never does.
 */
export type MessageContext = {
  /** The number that was dialled: the default sender of what is sent. */
  to: string
  /** The person who wrote: the default receiver. */
  from: string
  /** Fetches a redirect's target; throws a `TwimlError` when there is no answer. */
  fetch: (url: string, method: 'POST' | 'GET') => Promise<TwimlDocument>
  /** The moment, on `performance.now()`, after which no further redirect is followed. */
  deadline: number
}

export type OutgoingMessage = { to: string; from: string; body: string; media_urls: string[] }
export type MessageRun = { messages: OutgoingMessage[]; warnings: TwimlWarning[] }

const MAX_HOPS = 10
const MAX_MESSAGES = 100
const MAX_MEDIA = 10

/** `url` is where `body` came from: relative addresses in it are meant from there. */
export async function runMessageTwiml(
  start: { body: string; url: string },
  context: MessageContext,
): Promise<MessageRun> {
  const run: MessageRun = { messages: [], warnings: [] }
  try {
    let redirect = runDocument(start, context, run)
    for (let hop = 1; redirect; hop++) {
      if (hop > MAX_HOPS) throw new TwimlError(`The TwiML redirects more than ${MAX_HOPS} times.`, 11200)
      const body = await fetchDocument(redirect, context)
      redirect = runDocument({ body, url: redirect.url }, context, run)
    }
  } catch (error) {
    if (!(error instanceof TwimlError) || run.messages.length === 0) throw error
    run.warnings.push({ error_code: error.code, reason: error.message })
  }
  return run
}

type Redirect = { url: string; method: 'POST' | 'GET' }

async function fetchDocument(redirect: Redirect, context: MessageContext): Promise<string> {
  if (performance.now() >= context.deadline) throw new TwimlError('The redirects took too long.', 11200)
  return readAnswer(await context.fetch(redirect.url, redirect.method), 'A redirect')
}

function runDocument(
  document: { body: string; url: string },
  context: MessageContext,
  run: MessageRun,
): Redirect | undefined {
  for (const verb of parseTwiml(document.body).children) {
    if (verb.name === 'Redirect') return readRedirect(verb, document.url)
    if (verb.name === 'Message') addMessage(verb, document.url, context, run)
    else warn(run, `The verb ${quoteName(verb.name)} does nothing in the answer to a message.`)
  }
  return undefined
}

function readRedirect(verb: TwimlNode, base: string): Redirect {
  const url = resolveUrl(verb.text.trim(), base)
  if (!url) throw new TwimlError('The address of a Redirect is not an http or https URL.', 11200)
  return { url, method: readMethod(verb.attributes.method) }
}

function addMessage(verb: TwimlNode, base: string, context: MessageContext, run: MessageRun): void {
  let body = verb.text.trim()
  const mediaUrls: string[] = []
  for (const noun of verb.children) {
    if (noun.name === 'Body') {
      body = noun.text.trim()
    } else if (noun.name === 'Media') {
      const url = resolveUrl(noun.text.trim(), base)
      if (!url || noun.text.trim() === '') warn(run, 'A Media was left out: its address is not an http or https URL.')
      else if (mediaUrls.length === MAX_MEDIA) warn(run, `A Media was left out: a message takes ${MAX_MEDIA}.`)
      else mediaUrls.push(url)
    } else {
      warn(run, `The element ${quoteName(noun.name)} does nothing in a Message.`)
    }
  }
  for (const attribute of ['action', 'statusCallback']) {
    if (attribute in verb.attributes) warn(run, `The attribute ${attribute} of a Message is not followed.`)
  }

  if (body === '' && mediaUrls.length === 0) warn(run, 'A Message was left out: it has neither text nor media.')
  else if (run.messages.length === MAX_MESSAGES) warn(run, `A Message was left out: an answer sends ${MAX_MESSAGES}.`)
  else {
    const { to, from } = verb.attributes
    run.messages.push({ to: to || context.from, from: from || context.to, body, media_urls: mediaUrls })
  }
}
