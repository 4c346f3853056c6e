import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** Whether an address, or a name that always is one, is of this machine only. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[(.*)\]$/, '$1')
  const version = isIP(name)
  if (version === 0) return name.toLowerCase() === 'localhost'
  return loopback.check(name, version === 4 ? 'ipv4' : 'ipv6')
}
