import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'

/** What happened before the pictures are taken, and where it is to be found. */
export type Lived = {
  service_sid: string
  session_sid: string
  interaction_sid: string
  /** Of somebody to search for. */
  number: string
  useThePhones: (page: Page) => Promise<void>
}

type Body = Record<string, string> & { participants: Row[]; interactions: Row[] }
type Row = Record<string, string>

const ALICE = '+12025550101'
const BOB = '+12025550102'
/** The simulated network never reaches it. */
const OUT_OF_REACH = '+14155550105'
const AREAS = ['202', '212', '312', '415', '617', '713']
const NUMBERS_OF_AN_AREA = 60
const PEOPLE = 90

/** Two people who text and call, one who is not reached, an application that refuses some callbacks, and a busy pool. */
export async function live(url: string, credentials: string): Promise<Lived> {
  const call = caller(url, credentials)
  const application = await startApplication()
  const service = await call('/v1/Services', { UniqueName: 'rides', CallbackUrl: application })
  const path = `/v1/Services/${service.sid}`
  for (const area of AREAS) {
    for (let at = 0; at < NUMBERS_OF_AN_AREA; at++) {
      const PhoneNumber = `+1${area}555${String(1000 + at * 7)}`
      await call(`${path}/PhoneNumbers`, { PhoneNumber, ...(at % 17 === 0 ? { IsReserved: 'true' } : {}) })
    }
  }
  await crowd(call, path)
  const trip = await session(call, path, 'trip-4711', ALICE, BOB)
  await text(call, ALICE, trip.first, 'I am at the corner of 5th')
  await text(call, BOB, trip.second, 'Two minutes, a blue Corolla')
  await text(call, ALICE, trip.first, 'I see you')
  await ring(call, ALICE, trip.first, BOB)
  const lost = await session(call, path, 'trip-4712', '+12025550107', OUT_OF_REACH)
  await text(call, '+12025550107', lost.first, 'Are you there?')
  await text(call, '+12025550109', trip.first, 'Who is this?')
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  const { interactions } = await call(`${path}/Sessions/${lost.sid}/Interactions`)
  return {
    service_sid: service.sid ?? '',
    session_sid: trip.sid,
    interaction_sid: interactions[0]?.sid ?? assert.fail('nothing was sent'),
    number: ALICE,
    useThePhones,
  }
}

type Call = (path: string, body?: Record<string, string | string[]> | string) => Promise<Body>

function caller(url: string, credentials: string): Call {
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
  return async (path, body) => {
    const form = new URLSearchParams()
    for (const [name, value] of Object.entries(typeof body === 'object' ? body : {})) {
      for (const each of [value].flat()) form.append(name, each)
    }
    const init = body === undefined ? {} : { method: 'POST', body: typeof body === 'string' ? body : form }
    const answer = await fetch(url + path, { ...init, headers: { authorization } })
    const text = await answer.text()
    assert.ok(answer.ok, `${path} answered ${answer.status}: ${text}`)
    return JSON.parse(text)
  }
}

/** An application that refuses to hear of what was not delivered. It ends with this program. */
async function startApplication(): Promise<string> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => response.writeHead(/undelivered/.test(body) ? 410 : 200).end())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/told`
}

async function crowd(call: Call, path: string) {
  for (let at = 0; at < PEOPLE; at++) {
    const driver = `+1${AREAS[at % AREAS.length]}555${String(5000 + (at % 30))}`
    await session(call, path, `ride-${at}`, driver, `+1${AREAS[(at * 5) % AREAS.length]}555${String(6000 + at)}`)
  }
}

async function session(call: Call, path: string, UniqueName: string, ...people: [string, string]) {
  const Participants = people.map((Identifier) => JSON.stringify({ Identifier }))
  const { sid = '' } = await call(`${path}/Sessions`, { UniqueName, Participants })
  const { participants } = await call(`${path}/Sessions/${sid}/Participants`)
  const numberOf = (person: string) => participants.find((each) => each.identifier === person)?.proxy_identifier ?? ''
  return { sid, first: numberOf(people[0]), second: numberOf(people[1]) }
}

const text = async (call: Call, from: string, to: string, body: string) => {
  await call('/simulator/messages', JSON.stringify({ from, to, body }))
  await new Promise((resolve) => setTimeout(resolve, 400))
}

async function ring(call: Call, from: string, to: string, partner: string) {
  const { sid } = await call('/simulator/calls', JSON.stringify({ from, to }))
  while (!JSON.stringify(await call(`/simulator/handsets/${partner}/calls`)).includes('ringing')) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await call(`/simulator/calls/${sid}/answer`, JSON.stringify({ number: partner }))
  await call('/simulator/clock', JSON.stringify({ advance_s: 42 }))
  await call(`/simulator/calls/${sid}/hangup`, JSON.stringify({ number: from }))
}

/** The guided minute, up to a call that goes on. Once: later visits find it there. */
async function useThePhones(page: Page) {
  await page.waitForTimeout(500)
  for (const name of ['Create a session', 'Write as Alice', 'Reply as Bob', 'Call as Alice', 'Answer as Bob']) {
    const button = page.getByRole('button', { name, exact: true })
    if (!(await button.isVisible())) continue
    await button.click()
    await page.waitForTimeout(400)
    if (/Write|Reply/.test(name)) await page.keyboard.press('Enter')
    await page.waitForTimeout(1_200)
  }
}
