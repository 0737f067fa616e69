import type { Command } from 'commander'
import { type CapacityUnder, readCapacity } from '../core/capacity/capacity.ts'
import { readPoolPicture } from '../core/capacity/pool-picture.ts'
import { createCarriers } from '../core/carriers.ts'
import { isE164 } from '../core/e164.ts'
import { adoptNumber, listInventory } from '../core/phone-numbers.ts'
import { findService } from '../core/services.ts'
import { isSid } from '../core/sid.ts'
import type { Store } from '../core/store.ts'
import { ACCOUNT_OPTION, allFactories, JSON_OPTION, requireAccount } from './admin.ts'
import { print, UsageError } from './output.ts'
import { withStore } from './with-store.ts'

export function numberCommands(program: Command): void {
  const numbers = program.command('numbers').description("an account's numbers, and what services do with them")
  capacityCommand(numbers)
  numbers
    .command('list')
    .description("show an account's numbers and the services that have them, or what the numbers of one service do")
    .requiredOption(...ACCOUNT_OPTION)
    .option('--service <sid>', 'only the pool of this service, with sessions, failures and state of each number')
    .option(...JSON_OPTION)
    .action(({ account, service, json }: { account: string; service?: string; json?: boolean }) =>
      withStore(async (store) => {
        await requireAccount(store, account)
        if (service !== undefined) return print(await poolRows(store, account, service), { json })
        const rows = await listInventory(store, account)
        const row = (n: (typeof rows)[number]) => ({
          sid: n.sid,
          number: n.phone_number,
          name: n.friendly_name,
          country: n.iso_country,
          service: n.service_sid,
          carrier: n.carrier_sid,
        })
        print(rows.map(row), { json })
      }),
    )
  numbers
    .command('add <number-or-sid...>')
    .description('take numbers of a carrier into the inventory; services add them to their pools by SID or number')
    .requiredOption('--carrier <sid>', 'the carrier that has them')
    .option(...JSON_OPTION)
    .addHelpText(
      'after',
      '\nExamples:\n  maskline numbers add +12025550180 --carrier MC…\n  maskline numbers add PN… --carrier MC…',
    )
    .action((wanted: string[], { carrier: carrier_sid, json }: { carrier: string; json?: boolean }) =>
      withStore(async (store) => {
        const found = await createCarriers(store, allFactories).find(carrier_sid)
        if (!found) throw new UsageError(`There is no carrier ${carrier_sid}; see: maskline carriers list`)
        const rows = []
        for (const text of wanted) {
          const byNumber = isE164(text) || /^\d{3,8}$/.test(text)
          const number = await found.carrier.findNumber(byNumber ? { phone_number: text } : { sid: text })
          if (!number) throw new UsageError(`The carrier has no number ${text}.`)
          rows.push(await adoptNumber(store, { account_sid: found.account_sid, carrier_sid }, number))
        }
        print(
          rows.map((row) => ({ sid: row.sid, number: row.phone_number, name: row.friendly_name })),
          { json },
        )
      }),
    )
}

async function requireService(store: Store, account_sid: string, sid: string) {
  const service = isSid('KS', sid) ? await findService(store, account_sid, sid) : undefined
  if (!service) throw new UsageError(`Account ${account_sid} has no service ${sid}.`)
  return service
}

async function poolRows(store: Store, account_sid: string, service_sid: string) {
  const { numbers } = await readPoolPicture(store, await requireService(store, account_sid, service_sid))
  return numbers.map((number) => ({
    sid: number.sid,
    number: number.phone_number,
    country: number.iso_country,
    state: number.state,
    sessions: number.live_sessions,
    cooling: number.cooling_people,
    sent_24h: number.sent_24h,
    failed_24h: number.failed_24h,
  }))
}

type CapacityOptions = { account: string; service: string; json?: boolean } & Partial<
  Record<'defaultTtl' | 'coolDown' | 'days', string>
>

function capacityCommand(numbers: Command) {
  numbers
    .command('capacity')
    .description('how far the pool of a service lasts, and would with another ttl or cool-down')
    .requiredOption(...ACCOUNT_OPTION)
    .requiredOption('--service <sid>', 'the service')
    .option('--default-ttl <seconds>', 'what if its sessions ran out after so long; 0 for never')
    .option('--cool-down <seconds>', 'what if its numbers cooled down for so long')
    .option('--days <count>', 'how far to look back, at most 30', '7')
    .option(...JSON_OPTION)
    .addHelpText('after', '\nExample:\n  maskline numbers capacity --account AC… --service KS… --cool-down 604800')
    .action(({ account, service: sid, json, ...options }: CapacityOptions) => {
      const default_ttl = parseCount('--default-ttl', options.defaultTtl, 0, 2_147_483_646)
      const cool_down_s = parseCount('--cool-down', options.coolDown, 0, 31_536_000)
      const days = parseCount('--days', options.days, 1, 30) ?? 7
      return withStore(async (store) => {
        const service = await requireService(store, account, sid)
        const found = await readCapacity(store, service, { default_ttl, cool_down_s, days })
        if (json) return console.log(JSON.stringify(found, null, 2))
        if (found.whole_since)
          console.log(`There is too much to go through: what began before ${written(found.whole_since)} is left out.\n`)
        printCapacity(found.now, days)
        if (found.what_if === found.now) return
        console.log(
          `\nWith a ttl of ${found.what_if.default_ttl} s and a cool-down of ${found.what_if.cool_down_s} s:\n`,
        )
        printCapacity(found.what_if, days)
      })
    })
}

function parseCount(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,10}$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text)
  throw new UsageError(`Give ${name} a whole number from ${least} to ${most}.`)
}

function printCapacity({ groups, busiest_held, sessions_left, peak_held, peak_at }: CapacityUnder, days: number) {
  print(
    groups.map((group) => ({
      country: group.iso_country,
      area: group.area_code,
      numbers: group.numbers,
      reserved: group.reserved,
      live: group.live_pairs,
      cooling: group.cooling_pairs,
      busiest: group.busiest_held,
      left: group.sessions_left,
    })),
    {},
  )
  console.log(`\nWhoever has the most numbers has ${busiest_held}, and can be given ${sessions_left} more.`)
  if (peak_at) console.log(`The most in ${days} days were ${peak_held}, from ${written(peak_at)} on.`)
}

const written = (date: Date) => `${date.toISOString().slice(0, 16)}Z`
