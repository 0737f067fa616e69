import dns from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Agent, buildConnector } from 'undici'
import { inNetworks } from '../core/networks.ts'

/**
 * Customers choose where we call, so a callback must not become a way into our own network. What counts is the address
 * that is connected to: names are resolved here and only the addresses that passed are tried, so that a name which
 * resolves differently a moment later gains nothing; and literal addresses are checked before connecting, because Node
 * asks no lookup hook about those.
 */
export type Guard = {
  agent: Agent
  connect: buildConnector.connector
  /** Waits for the requests under way, which their own time limits end. */
  close: () => Promise<void>
}

/** The message names the kind of address and never the address. */
export class AddressRefused extends Error {
  readonly code = 'ADDRESS_REFUSED'
  readonly range: string

  constructor(range: string) {
    super(`Callbacks may not reach an address of this kind (${range}), unless MASKLINE_CALLBACK_ALLOW lists it.`)
    this.range = range
  }
}

const CONNECT_TIMEOUT_MS = 10_000
const CONNECTIONS_PER_ORIGIN = 128

/**
 * `allow` lists networks in CIDR notation that may be reached although they are not public. `onRefusal` hears of each
 * connection that is not made, with the kind of address.
 */
export function createGuard(
  options: { allow: 'all' | string[]; onRefusal?: (range: string) => void },
  lookup: typeof dns.lookup = dns.lookup,
): Guard {
  const refuse = createAddressCheck(options.allow)
  const open = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    lookup: checkedLookup(lookup, refuse),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: 1000,
  })
  const connect: buildConnector.connector = (target, callback) => {
    const refused = isIP(target.hostname) ? refuse(target.hostname) : undefined
    const answer: buildConnector.Callback = (...result) => {
      if (result[0] instanceof AddressRefused) options.onRefusal?.(result[0].range)
      callback(...result)
    }
    if (refused) answer(refused, null)
    else open(target, answer)
  }
  const agent = new Agent({ connections: CONNECTIONS_PER_ORIGIN, connect })
  return { agent, connect, close: () => agent.close() }
}

type AddressCheck = (address: string) => AddressRefused | undefined

/** Says why an address may not be reached, or nothing when it may. */
export function createAddressCheck(allow: 'all' | string[]): AddressCheck {
  if (allow === 'all') return () => undefined
  const isAllowed = inNetworks(allow)
  return (text) => {
    // `process` turns an IPv4 address in IPv6 clothes into the IPv4 address it is.
    const address = ipaddr.process(text)
    if (isAllowed(address)) return undefined
    const range = address.range()
    if (range !== 'unicast') return new AddressRefused(range)
    // Only 2000::/3 is given out; the rest includes old IPv4-compatible addresses and whatever comes later.
    if (address instanceof ipaddr.IPv6 && address.parts[0]! >> 13 !== 1) return new AddressRefused('reserved')
    return undefined
  }
}

function checkedLookup(lookup: typeof dns.lookup, refuse: AddressCheck): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, [])
      const allowed = found.filter(({ address }) => !refuse(address))
      const first = allowed[0]
      if (!first) {
        const refused = found[0] && refuse(found[0].address)
        return callback(refused ?? Object.assign(new Error('no address'), { code: 'ENOTFOUND' }), [])
      }
      if (options.all) callback(null, allowed)
      else callback(null, first.address, first.family)
    })
  }
}
