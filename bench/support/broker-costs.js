'use strict'
const { readdirSync, readFileSync, statSync } = require('node:fs')
const { join } = require('node:path')

/** What a broker does while `work` is under way. */
async function spent(client, work) {
  await client.config('RESETSTAT')
  const before = await cpuOf(client)
  const began = performance.now()
  await work()
  const seconds = (performance.now() - began) / 1000
  const stats = await client.info('commandstats')
  const calls = Object.fromEntries(
    [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(([, name, count]) => [name, Number(count)]),
  )
  const all = await client.info('stats')
  const number = (name) => Number(new RegExp(`${name}:(\\d+)`).exec(all)?.[1])
  const commands = Object.values(calls).reduce((sum, count) => sum + count, 0)
  return {
    seconds,
    calls,
    commands,
    bytesIn: number('total_net_input_bytes'),
    bytesOut: number('total_net_output_bytes'),
    cpu: (await cpuOf(client)) - before,
  }
}

async function cpuOf(client) {
  const text = await client.info('cpu')
  const [user, system] = ['user', 'sys'].map((kind) =>
    Number(new RegExp(`used_cpu_${kind}:([\\d.]+)`).exec(text)?.[1]),
  )
  return user + system
}

/** Bytes of a broker, of its append-only file, and of a server. */
async function sizes(client, pid, redis) {
  const used = Number(/used_memory:(\d+)/.exec(await client.info('memory'))?.[1])
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  const files = join(redis.folder, 'appendonlydir')
  const file = readdirSync(files).reduce((sum, name) => sum + statSync(join(files, name)).size, 0)
  return { redis: used, rss: Number(kilobytes) * 1024, file }
}

module.exports = { sizes, spent }
