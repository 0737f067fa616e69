import { vendorSid } from '../../test/support/twilio-numbers.ts'
import { provokeErrors } from './refusals.ts'
import { strangeShape, type TextSide, type TextWorld } from './text-world.ts'

/**
 * Requests that are refused, with somebody's number in them: every parameter of every operation that the server's own
 * description names, and texts, reports and attachments that are forged, broken or about nothing of ours.
 */
export async function provokeTextErrors(texts: TextWorld): Promise<void> {
  await provokeErrors(texts.world)
  for (const side of [texts.atTwilio, texts.atSimulator]) await provokeOperations(texts, side)
  await provokeMessages(texts)
  await provokeWebhooks(texts)
  await provokeSimulator(texts)
}

type Operation = {
  parameters?: { in: string; name: string }[]
  requestBody?: { content: Record<string, { schema: { properties?: object } }> }
}
type Description = { paths: Record<string, Record<string, Operation>> }

const FORM = 'application/x-www-form-urlencoded'
/** Where a number belongs, or any text does, so that it is taken: then it is the customer who says it. */
const TAKEN = /^(PhoneNumber|Body|FriendlyName|UniqueName|Greeting|Whisper|Voicemail)$/

async function provokeOperations({ world }: TextWorld, side: TextSide) {
  const { client } = side
  const { paths } = (await client.get('/openapi.json')) as Description
  const sids = await makeScratch(world.newcomer(), side)
  for (const [template, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      if (method === 'delete') continue
      const person = world.newcomer()
      const path = template.replace(/\{(\w+)\}/g, (_, name: string) => sids[name] ?? vendorSid('KI'))
      const inQuery = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query')
      for (const value of [person, person.slice(1), `tel:${person}`, `${person} ext. 1`]) {
        for (const { name } of inQuery) await client.ask('GET', `${path}?${new URLSearchParams([[name, value]])}`)
        for (const name of Object.keys(operation.requestBody?.content[FORM]?.schema.properties ?? {})) {
          if (TAKEN.test(name)) continue
          await client.ask('POST', path, new URLSearchParams([[name, value]]))
          world.count('operations asked with a number where none belongs')
        }
      }
    }
  }
}

/** Something for every name in a path. */
async function makeScratch(person: string, { client, kind }: TextSide): Promise<Record<string, string>> {
  const { sid: ServiceSid } = await client.post('/v1/Services', [['UniqueName', `scratch-${kind}`]])
  const service = `/v1/Services/${ServiceSid}`
  const { sid: SessionSid } = await client.post(`${service}/Sessions`, [['UniqueName', 'scratch']])
  // Without a number in the pool nobody can join, and that is refused too.
  await client.ask(
    'POST',
    `${service}/Sessions/${SessionSid}/Participants`,
    new URLSearchParams([['Identifier', person]]),
  )
  return { ServiceSid, SessionSid, ParticipantSid: vendorSid('KP') }
}

/** Messages by the API that cannot be sent, and requests that come again as others. */
async function provokeMessages({ world, atTwilio, atSimulator }: TextWorld) {
  const { newcomer, server } = world
  for (const { client, account, pools } of [atTwilio, atSimulator]) {
    const { sid, numbers } = pools.plain
    const person = newcomer()
    const participant = JSON.stringify({ Identifier: newcomer(), ProxyIdentifier: numbers[0] })
    const opened = await client.post(`/v1/Services/${sid}/Sessions`, [['Participants', participant]])
    const session = `/v1/Services/${sid}/Sessions/${opened.sid}`
    const { participants } = await client.get(`${session}/Participants`)
    const path = `${session}/Participants/${participants[0].sid}/MessageInteractions`
    const refused: [string, string][][] = [
      [['MediaUrl', person]],
      [['MediaUrl', `sms:${person}`]],
      [['Body', person.repeat(200)]],
      Array.from({ length: 11 }, (): [string, string] => ['MediaUrl', `http://127.0.0.1/${person}`]),
      [['Text', person]],
    ]
    for (const params of refused) await expectRefusal(client, path, params)
    const authorization = `Basic ${Buffer.from(`${account.sid}:${account.auth_token}`).toString('base64')}`
    for (const [key, name] of [
      [person, 'one'],
      [person, 'other'],
      [`${person}é`, 'third'],
    ] as const) {
      const headers = { authorization, 'idempotency-key': key }
      const body = new URLSearchParams([['UniqueName', name]])
      await fetch(`${server.direct}/v1/Services/${sid}/Sessions`, { method: 'POST', headers, body })
    }
    await client.post(session, [['Status', 'closed']])
    await expectRefusal(client, path, [['Body', person]])
  }
}

async function expectRefusal(client: TextSide['client'], path: string, params: [string, string][]) {
  const { status, text } = await client.ask('POST', path, new URLSearchParams(params))
  if (status < 400 || status > 499) throw new Error(`${path} ${params}: ${status} ${text}`)
}

async function provokeWebhooks({ world, atTwilio }: TextWorld) {
  const { newcomer, twilio, server, random } = world
  const [From, person] = [newcomer(), newcomer()]
  const carrier = `${server.url}/webhooks/${atTwilio.account.carrier_sid}`
  const { sid, numbers } = atTwilio.pools.outside
  const text = { MessageSid: vendorSid('SM'), From, To: numbers[0], Body: 'Hello', NumMedia: '0', AccountSid: person }
  const { MessageSid: _, ...withoutSid } = text
  const status = `${carrier}/status/${sid}/${vendorSid('KI')}`
  const posts: [url: string, params: Record<string, string>, token?: string][] = [
    [`${carrier}/messages`, text, 'another token'],
    [`${carrier}/messages`, withoutSid],
    [`${carrier}/messages`, { ...text, To: '' }],
    [`${carrier}/messages`, { ...text, NumMedia: person }],
    [`${carrier}/messages`, { ...text, NumMedia: '1' }],
    [`${carrier}/messages`, { ...text, NumSegments: strangeShape(random, person) }],
    [`${carrier}/messages`, { ...text, NumMedia: '1', MediaUrl0: person, MediaContentType0: `${person}\0` }],
    [`${carrier}/messages`, { ...text, MessageSid: `${person}\0` }],
    [`${carrier}/messages`, { ...text, SmsStatus: 'delivered' }],
    [status, { ...text, MessageStatus: person }],
    [status, { ...text, MessageSid: `${person}\0`, MessageStatus: 'sent' }],
    [status, { ...text, MessageSid: '', MessageStatus: 'sent' }],
  ]
  for (const [url, params, token] of posts) {
    const answer = await twilio.post(url, params, token)
    if (answer.status < 400 || answer.status > 499)
      throw new Error(`${url} ${JSON.stringify(params)}: ${answer.status}`)
  }
  for (const [name, value] of [
    ['ErrorCode', person],
    ['ErrorMessage', person],
    ['ErrorCode', person.slice(1)],
  ] as const) {
    await twilio.post(status, { ...text, MessageStatus: 'failed', [name]: value })
  }
  for (const path of [`/media/${sid}/${'0'.repeat(32)}`, `/media/KS/x`, `/media/${sid}/${'f'.repeat(31)}`]) {
    const answer = await fetch(`${server.direct}${path}?from=${encodeURIComponent(person)}`)
    if (answer.status !== 404) throw new Error(`${path}: ${answer.status}`)
  }
}

async function provokeSimulator({ world, atSimulator }: TextWorld) {
  const [one, other] = [world.newcomer(), world.newcomer()]
  const { client, pools } = atSimulator
  const text = { from: one, to: pools.plain.numbers[0], body: 'Hello' }
  const bodies: unknown[] = [
    { ...text, from: `${one} ` },
    { ...text, to: other.slice(1) },
    { ...text, body: Number(other.slice(1)) },
    { ...text, body: other.repeat(200) },
    { ...text, media_urls: [other] },
    { ...text, media_urls: other },
    { ...text, media_urls: Array(11).fill(`http://127.0.0.1/${other}`) },
    { ...text, body: '' },
    [one, other],
  ]
  for (const body of bodies) {
    const { status, text: answer } = await client.ask('POST', '/simulator/messages', body as object)
    if (status < 400 || status > 499) throw new Error(`${JSON.stringify(body)}: ${status} ${answer}`)
  }
  for (const number of [one.slice(1), `tel:${one}`, `${one}${other}`]) {
    await client.ask('GET', `/simulator/handsets/${encodeURIComponent(number)}/messages`)
  }
}
