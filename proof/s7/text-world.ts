import { parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { eventually, poolNumber } from '../../test/support/server.ts'
import type { Random } from '../random.ts'
import { international, startTextApplication, type TextApplication } from './text-application.ts'
import { createTextTaps, type TextTaps } from './text-taps.ts'
import { type Case, type Side, startWorld, type Talker, type World } from './world.ts'

/**
 * The world of the calls, with services for texts at both carriers, an application that is asked about texts, and a record
 * of who is to be shown what: a text that reaches somebody else, or in other words, is wrong too.
 */
export type TextWorld = {
  world: World
  taps: TextTaps
  application: TextApplication
  atTwilio: TextSide
  atSimulator: TextSide
  /** By the mark that a text carries: undefined for one that nobody is to be shown. */
  expected: Map<string, { to: string; body: string } | undefined>
  /** The marks of texts that reached a phone. */
  arrived: Set<string>
  /** Texts that reached somebody they were not for, or in other words. */
  wrong: string[]
  /** A mark that no other text of this world has; it has no digits. */
  nextMark: () => string
  stop: () => Promise<void>
}

export type TextSide = Pick<Side, 'client' | 'account'> & {
  kind: 'twilio' | 'simulator'
  pools: Record<TextServiceName, TextPool>
  /** Who has a phone there. */
  people: Set<string>
}
export type TextPool = { sid: string; numbers: [string, string, string] }

const servicesOf = (application: string) =>
  ({
    plain: {},
    told: { CallbackUrl: `${application}/status`, InterceptCallbackUrl: `${application}/allow` },
    blocked: { CallbackUrl: `${application}/status`, InterceptCallbackUrl: `${application}/block` },
    outside: { CallbackUrl: `${application}/status`, OutOfSessionCallbackUrl: `${application}/outside` },
  }) satisfies Record<string, Record<string, string>>
export type TextServiceName = keyof ReturnType<typeof servicesOf>

/** The calls' services of the same world have the numbers before these. */
const FIRST_NUMBER = 9000
let numbered = 0

export async function startTextWorld(random: Random, people: number): Promise<TextWorld> {
  const { stop: stopWorld, ...started } = await startWorld(random, { people, leaks: 'none' })
  const world: World = { ...started, stop: stopWorld }
  const cleanups: (() => unknown)[] = []
  const stop = async () => {
    for (const clean of cleanups.reverse()) await clean()
    await stopWorld()
  }
  try {
    const taps = createTextTaps(world.taps.peopleIn)
    const application = await startTextApplication((clean) => void cleanups.push(clean), {
      taps,
      // It is there to say who writes; so this shows that the scan sees it.
      told({ target, body }) {
        const isNamed = world.taps.peopleIn(`${target} ${body}`).length > 0
        if (isNamed) world.count('out-of-session callbacks that say who writes')
      },
    })
    const atTwilio = await startTextSide(world, 'twilio', application.url)
    const atSimulator = await startTextSide(world, 'simulator', application.url)
    const records = { expected: new Map(), arrived: new Set<string>(), wrong: [] }
    let marked = 0
    const nextMark = () => `#${[...String(marked++)].map((digit) => 'abcdefghij'[Number(digit)]).join('')}#`
    return { world, taps, application, atTwilio, atSimulator, ...records, nextMark, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startTextSide(world: World, kind: TextSide['kind'], application: string): Promise<TextSide> {
  const { client, account } = kind === 'twilio' ? world.atTwilio : world.atSimulator
  const pools: [string, TextPool][] = []
  for (const [name, params] of Object.entries(servicesOf(application))) {
    const { sid } = await client.post('/v1/Services', [['UniqueName', `text-${name}`], ...Object.entries(params)])
    const add = async () => {
      const phone_number = poolNumber(FIRST_NUMBER + (numbered++ % 500))
      if (kind === 'twilio') world.twilio.addNumber({ phone_number })
      await client.post(`/v1/Services/${sid}/PhoneNumbers`, [['PhoneNumber', phone_number]])
      return phone_number
    }
    pools.push([name, { sid, numbers: [await add(), await add(), await add()] }])
  }
  return { kind, client, account, pools: Object.fromEntries(pools) as TextSide['pools'], people: new Set() }
}

/** What a body says of itself. */
export const markOf = (body: string) => /#[a-j]+#/.exec(body)?.[0]

/** A text came to a phone: was it for this one? */
export function arrive({ expected, arrived, wrong }: TextWorld, to: string, body: string): void {
  const mark = markOf(body)
  if (!mark) return
  const wanted = expected.get(mark)
  if (wanted && wanted.to === to && wanted.body === body) arrived.add(mark)
  else wrong.push(`“${body}” came to ${to}, and ${wanted ? `“${wanted.body}” was for ${wanted.to}` : 'was for nobody'}`)
}

export type TextConversation = { service: string; session: string; alice: Talker; bob: Talker }

/** Two newcomers in a session, whose numbers the customer writes in one way or another. */
export async function converseByText(
  side: TextSide,
  { newcomer, random }: Case,
  name: TextServiceName,
  params: [name: string, value: string][] = [],
): Promise<TextConversation> {
  const { sid: service, numbers } = side.pools[name]
  const alice = { identifier: newcomer(), proxy: numbers[0] }
  const bob = { identifier: newcomer(), proxy: numbers[1] }
  for (const { identifier } of [alice, bob]) side.people.add(identifier)
  const participants = [alice, bob].map(({ identifier, proxy }): [string, string] => [
    'Participants',
    JSON.stringify({ Identifier: typed(random, identifier), ProxyIdentifier: proxy }),
  ])
  const { sid } = await side.client.post(`/v1/Services/${service}/Sessions`, [...params, ...participants])
  return { service, session: `/v1/Services/${service}/Sessions/${sid}`, alice, bob }
}

const typed = (random: Random, number: string) =>
  random.pick([
    number,
    international(number),
    international(number).replaceAll(' ', '.'),
    international(number).replaceAll(' ', ' – '),
    `(${number.slice(0, 3)}) ${number.slice(3)}`,
  ])

/** Numbers as carriers do not write them, or write only now and then. */
export const strangeShape = (random: Random, number: string) => {
  const parsed = parsePhoneNumberFromString(number)
  return random.pick([
    number.slice(1),
    number.replace('+', '00'),
    number.replace('+', ' '),
    parsed?.formatNational() ?? number,
    international(number),
    parsed?.getURI() ?? number,
    `whatsapp:${number}`,
    `${number};ext=1`,
    `"${number}" <sip:${number}@example.com>`,
  ])
}

/** Everything that is still due happens now. Leases, of at most 25 s, are left alone. */
export async function settleTexts({ world, application }: TextWorld, meanwhile: () => Promise<void>): Promise<void> {
  const { pool } = world.server.store
  const hurry = `due_at > now() + interval '26 seconds' or due_at between now() + interval '1 second' and now() + interval '8 seconds'`
  const isSettled = async () => {
    application.releaseHeld()
    await meanwhile()
    await pool.query(`update interactions set due_at = now() where ${hurry}`)
    await pool.query(`update callbacks set due_at = now() where ${hurry}`)
    const { rows } = await pool.query(
      `select (select count(*) from interactions where due_at is not null)
            + (select count(*) from callbacks where due_at is not null) as due`,
    )
    return Number(rows[0].due) === 0
  }
  await eventually(isSettled, 'nothing is due any more', 120_000)
}
