import ipaddr from 'ipaddr.js'

export type Address = ipaddr.IPv4 | ipaddr.IPv6

/** Whether an address is in one of these networks, each in CIDR notation. */
export function inNetworks(networks: string[]): (address: Address) => boolean {
  const ranges = networks.map((network) => ipaddr.parseCIDR(network))
  return (address) => ranges.some(([base, bits]) => base.kind() === address.kind() && address.match(base, bits))
}
