import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Place, Taps } from './taps.ts'

/**
 * A tap on everything the server answers, over a socket or within its process, as the simulated network asks. It sits in
 * the server's own framework, which tells of each new server, and for the control it also changes what is answered.
 */
export type AnswerTap = {
  taps: Taps
  /** Whom this caller's own leg may be told to dial. */
  mayDial: (caller: string) => string[]
  /** Undefined leaves the answer as it is. */
  plant: ((answer: SentAnswer) => string | undefined) | undefined
}

export type SentAnswer = {
  path: string
  status: number
  text: string
  /** Of a webhook: what the carrier asked. */
  asked: URLSearchParams | undefined
  place: Place | undefined
}

export async function withTappedServer<Result>(tap: AnswerTap, start: () => Promise<Result>): Promise<Result> {
  const attach = (message: unknown) => attachTap((message as { fastify: FastifyInstance }).fastify, tap)
  subscribe('fastify.initialization', attach)
  try {
    return await start()
  } finally {
    unsubscribe('fastify.initialization', attach)
  }
}

function attachTap(server: FastifyInstance, { taps, mayDial, plant }: AnswerTap) {
  server.addHook('onSend', async (request, reply, payload) => {
    const original = Buffer.isBuffer(payload) ? payload.toString('latin1') : typeof payload === 'string' ? payload : ''
    const path = request.url.replace(/\?.*$/s, '')
    const asked = path.includes('/webhooks/') || path.endsWith('/Webhooks/Call') ? formOf(request) : undefined
    const answer: SentAnswer = { path, status: reply.statusCode, text: original, asked, place: undefined }
    answer.place = placeOf(answer)
    const changed = plant?.(answer)
    const text = changed ?? original
    if (answer.place) {
      const isCallers = answer.place === 'answers about the caller’s leg'
      taps.look(
        answer.place,
        `${reply.statusCode} ${JSON.stringify(reply.getHeaders())} ${path === OWN_LIST ? text.replace(SENDER, '') : text}`,
        isCallers ? mayDial(asked?.get('From') ?? '') : [],
      )
    }
    return changed ?? payload
  })
}

const formOf = ({ body }: FastifyRequest) => new URLSearchParams(Buffer.isBuffer(body) ? body.toString() : '')

/** The one list that tells who wrote or called, to whom may see people; nothing else in it may name them. */
const OWN_LIST = '/maskline/v1/Interactions'
const SENDER = /"sender":"[^"]*",/g

/** What a customer is told of a session's own people is theirs to know; the rest nobody may be named in. */
function placeOf({ path, status, asked }: SentAnswer): Place | undefined {
  if (status >= 400) return 'errors'
  if (asked) {
    const isCallers = !asked.has('ParentCallSid') && asked.has('From')
    return isCallers ? 'answers about the caller’s leg' : 'answers about the partner’s leg'
  }
  if (path.includes('/Recordings')) return 'recordings'
  if (path.endsWith('/Interactions')) return 'interactions'
  if (path.endsWith('/Events')) return 'events'
  return undefined
}
