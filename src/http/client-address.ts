import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import ipaddr from 'ipaddr.js'
import { type Address, inNetworks } from '../core/networks.ts'

/**
 * With proxies in front, every connection comes from one of them, and each of them adds to `X-Forwarded-For` the address it was
 * asked from. Whoever is beyond them can write there as well, so only what a trusted proxy added counts: read from the end,
 * the first address that is none of theirs. Nothing else is taken from forwarded headers.
 */
export function trustProxies(app: FastifyInstance, networks: string[]): void {
  if (networks.length === 0) return
  const isTrusted = inNetworks(networks)
  app.addHook('onRequest', (request, _reply, done) => {
    Object.defineProperty(request, 'ip', { value: clientAddress(request.raw, isTrusted) })
    done()
  })
}

function clientAddress({ socket, headers }: IncomingMessage, isTrusted: (address: Address) => boolean): string {
  const given = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',')
  let nearest = readAddress(socket.remoteAddress ?? '')
  while (nearest && isTrusted(nearest)) {
    // What is no address says nothing, so the proxy that wrote it is all that is known.
    const next = readAddress(given.pop() ?? '')
    if (!next) break
    nearest = next
  }
  return nearest?.toString() ?? ''
}

/** Some proxies add the port: `192.0.2.7:443`, `[2001:db8::7]:443`. */
function readAddress(text: string): Address | undefined {
  const bare = text.trim().replace(/^\[(.*)\](?::\d+)?$|^([\d.]+):\d+$/, '$1$2')
  const isWritten = ipaddr.IPv6.isValid(bare) || ipaddr.IPv4.isValidFourPartDecimal(bare)
  return isWritten ? ipaddr.process(bare) : undefined
}
