import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { setImmediate as settle } from 'node:timers/promises'
import Fastify from 'fastify'
import type { Action } from '../../src/carriers/simulator/calls.ts'
import { simulatorCarrier } from '../../src/carriers/simulator/carrier.ts'
import type { Leg as PhoneLeg } from '../../src/carriers/simulator/legs.ts'
import { createNetwork, type Network, type NetworkOptions } from '../../src/carriers/simulator/network.ts'
import { simulatorRoutes } from '../../src/carriers/simulator/routes.ts'
import type { InboundMessage, OutboundMessage } from '../../src/core/carrier.ts'
import { ProxyError } from '../../src/core/errors.ts'
import type { TwimlDocument } from '../../src/twiml/document.ts'

export const ALICE = '+12025550131'
export const BOB = '+12025550132'
export const PROXY = '+12025550199'
export const SHORT_CODE = '894546'
export const ACCOUNT = `AC${'1'.repeat(32)}`
export const OTHER_ACCOUNT = `AC${'2'.repeat(32)}`
export const CARRIER = `MC${'1'.repeat(32)}`
export const LEG = { service_sid: `KS${'a'.repeat(32)}`, sid: `KI${'b'.repeat(32)}` }
export const STARTED = Date.parse('2030-01-31T12:00:00.900Z')

/** Time that passes when the test says so. */
export function startClock() {
  let time = 0
  let tasks: { at: number; run: () => void }[] = []
  const forget = (task: (typeof tasks)[number]) => {
    tasks = tasks.filter((other) => other !== task)
  }
  return {
    now: () => new Date(STARTED + time),
    schedule: (run: () => void, delay_ms: number) => {
      const task = { at: time + delay_ms, run }
      tasks.push(task)
      return () => forget(task)
    },
    async advance(ms: number) {
      const until = time + ms
      await settle()
      for (let next = earliest(); next && next.at <= until; next = earliest()) {
        const due = next
        forget(due)
        time = due.at
        due.run()
        await settle()
      }
      time = until
    },
    get pending() {
      return tasks.length
    },
  }

  function earliest() {
    return tasks.reduce<(typeof tasks)[number] | undefined>((a, b) => (a && a.at <= b.at ? a : b), undefined)
  }
}

/** A network with a server around it that only writes down what it hears, and fails as often as the test says. */
export function startNetwork(changes: Partial<NetworkOptions> = {}) {
  const clock = startClock()
  const heard = {
    received: [] as { carrier_sid: string; account_sid: string; message: InboundMessage }[],
    reports: [] as string[],
    faults: 0,
    calls: 0,
  }
  const failOrGoOn = () => {
    heard.calls++
    if (heard.faults > 0 && heard.faults--) throw new Error('the database is away')
  }
  const network = createNetwork({
    receive: async (carrier_sid, account_sid, message) => {
      failOrGoOn()
      heard.received.push({ carrier_sid, account_sid, message })
    },
    report: async (carrier_sid, leg, { carrier_message_id, status, error_code }) => {
      failOrGoOn()
      assert.deepEqual([carrier_sid, leg], [CARRIER, LEG])
      assert.match(carrier_message_id, /^(SM|MM)[0-9a-f]{32}$/)
      heard.reports.push([status, error_code ?? ''].join(' ').trim())
    },
    isProxyNumber: async (account_sid, number) => account_sid === ACCOUNT && [PROXY, SHORT_CODE].includes(number),
    request: async () => ({ status: 404, content_type: 'text/plain', body: '' }),
    time: clock,
    ...changes,
  })
  const carrier = simulatorCarrier(network, { sid: CARRIER, account_sid: ACCOUNT })
  return { network, carrier, clock, heard }
}

/** What a server answers about calls, by the last part of the path: TwiML, a status, or what a function makes of it. */
export type Script = Record<string, Answer | ((params: Record<string, string>) => Answer | Promise<Answer>)>
type Answer = string | number
export type Asked = { name: string; url: string; method: string; params: Record<string, string>; at_s: number }

export const SERVER = 'https://masking.example'

/** A network whose calls are answered by a script, at a time that stands still until it is advanced. */
export function startCalls(script: Script, changes: Partial<NetworkOptions> = {}) {
  const asked: Asked[] = []
  const {
    network,
    carrier,
    heard,
    clock: source,
  } = startNetwork({
    request: async (url, method, params): Promise<TwimlDocument> => {
      const name = /([^/?]*)(\?.*)?$/.exec(url)?.[1] ?? ''
      asked.push({ name, url, method, params, at_s: (clock.now().getTime() - STARTED) / 1000 })
      const entry = script[name] ?? '<Response/>'
      const answer = typeof entry === 'function' ? await entry(params) : entry
      return typeof answer === 'string'
        ? { status: 200, content_type: 'text/xml; charset=utf-8', body: answer }
        : { status: answer, content_type: 'text/plain', body: '' }
    },
    ...changes,
  })
  const clock = network.clockOf(ACCOUNT)
  const find = (sid: string) => network.calls.find(ACCOUNT, sid) ?? assert.fail('the call is forgotten')
  const legAt = (sid: string, at: number) => find(sid).legs.at(at) ?? assert.fail(`there is no leg ${at}`)
  return {
    network,
    carrier,
    heard,
    asked,
    /** In which order what was asked, with the status then. */
    steps: () => asked.map(({ name, params }) => `${name} ${params.CallStatus}`),
    paramsOf: (name: string) =>
      asked.findLast((each) => each.name === name)?.params ?? assert.fail(`nobody asked ${name}`),
    advance: (seconds: number) => clock.advance(seconds * 1000),
    async call(from: string, to = PROXY) {
      const sid = await network.calls.place({ sid: CARRIER, account_sid: ACCOUNT }, { from, to })
      await clock.advance(0)
      return sid
    },
    async act(sid: string, number: string, action: Action) {
      await network.calls.act(ACCOUNT, sid, number, action)
      await clock.advance(0)
    },
    find,
    /** How many timers run. */
    pending: () => source.pending,
    /** The caller's leg, and the newest of those it dialled. */
    caller: (sid: string) => legAt(sid, 0),
    callee: (sid: string) => legAt(sid, -1),
  }
}

/** Seconds from the start of the test at which a leg took its statuses. */
export const statusesOf = (leg: PhoneLeg) =>
  leg.statuses.map(({ status, date }) => `${status} ${(date.getTime() - STARTED) / 1000}`)

export const soundsOf = (leg: PhoneLeg) =>
  leg.heard.map((sound) => {
    const what = 'text' in sound ? sound.text : 'digits' in sound ? sound.digits : 'url' in sound ? sound.url : ''
    return [sound.kind, what].filter(Boolean).join(' ')
  })

/** The TwiML of a relayed call, as the server would give it. */
export const dialTwiml = (attributes = '', to = BOB, noun = '') =>
  `<Response><Dial answerOnBridge="true" timeout="30" timeLimit="600" action="${SERVER}/dialled" ${attributes}>` +
  `<Number statusCallback="${SERVER}/leg" statusCallbackEvent="initiated ringing answered completed" ${noun}>${to}` +
  '</Number></Dial></Response>'

export const outbound = (changes: Partial<OutboundMessage> = {}): OutboundMessage => ({
  reference: LEG.sid,
  from: PROXY,
  to: BOB,
  body: 'On my way',
  media_urls: [],
  status_url: `https://masking.example/base/webhooks/${CARRIER}/status/${LEG.service_sid}/${LEG.sid}`,
  ...changes,
})

/** The network's control API on a socket; `call` speaks to it as `account_sid`. */
export async function serve(t: TestContext, { network }: { network: Network }) {
  const app = Fastify({ bodyLimit: 256 * 1024, forceCloseConnections: true })
  app.setErrorHandler((error, _request, reply) => reply.code(599).send({ outside: String(error) }))
  await app.register(
    async (scope) => {
      scope.addHook('onRequest', async (request) => {
        const account_sid = request.headers['x-account']
        if (!account_sid) throw new ProxyError(20003)
        Object.assign(request, { caller: { account_sid } })
      })
      const resolve = async (account_sid: string) => (account_sid === ACCOUNT ? { sid: CARRIER } : undefined)
      await simulatorRoutes(network, resolve)(scope, {})
    },
    { prefix: '/simulator' },
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.after(() => app.close())
  const base = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/simulator`
  return async (method: string, path: string, body?: unknown, account_sid = ACCOUNT) => {
    const response = await fetch(base + path, {
      method,
      headers: { 'content-type': 'application/json', ...(account_sid ? { 'x-account': account_sid } : {}) },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
  }
}
