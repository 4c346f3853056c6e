/** The address of a queue's broker, as the client reads it: a part that it does not understand would mean another broker, or another database. */

const WANTED = 'an address such as redis://:PASSWORD@host:6379/0, rediss://host or unix:///run/redis.sock'

/** What is wrong with it; null for nothing. The password is not shown. */
export function brokerMistake(address: string): string | null {
  const reason = reasonOf(address)
  return reason === null
    ? null
    : `Expected queue to be ${WANTED} but received '${withoutSecrets(address)}': ${reason}`
}

export function withoutSecrets(address: string): string {
  return address.replace(/\/\/.*@/s, '//…@')
}

function reasonOf(address: string): string | null {
  if (!/^(rediss?|unix):\/\/\S+$/.test(address))
    return 'it does not begin with redis://, rediss:// or unix://'
  const port = /:(\d+)(?:[/?#]|$)/.exec(address.replace(/\/\/.*@/s, '//'))?.[1]
  if (port !== undefined && !isPort(port)) return `its port ${port} is not from 1 to 65535`
  if (!URL.canParse(address))
    return 'it is no URL. Characters of a password such as / # ? @ are written as %2F %23 %3F %40'
  const { protocol, hostname, pathname, searchParams } = new URL(address)
  const databases = searchParams.getAll('db')
  if (protocol === 'unix:') {
    if (hostname !== '' || pathname.length < 2) return 'it names no socket: three slashes begin its path'
  } else {
    if (hostname === '') return 'it names no host'
    if (pathname.length > 1) databases.push(pathname.slice(1))
  }
  const wrong = databases.find((database) => !/^\d{1,9}$/.test(database))
  return wrong === undefined ? null : `its database '${wrong}' is no number from 0`
}

function isPort(text: string): boolean {
  return Number(text) >= 1 && Number(text) <= 65_535
}
