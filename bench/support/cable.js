'use strict'
// A network of its own behind a cable that can be pulled: then nothing arrives, and nothing says so, as when a switch dies.
// Two ends of a virtual cable, one of them in a namespace. Linux, as root.

const { spawnSync } = require('node:child_process')

const ip = (...args) => {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')} failed: ${error?.message ?? stderr.trim()}`)
}

/** Null where this process may not make one. */
function layCable() {
  const name = `wuerst${process.pid}`
  const near = `${name}n`.slice(-15)
  const far = `${name}f`.slice(-15)
  const net = `10.${(process.pid >> 8) & 255}.${process.pid & 255}`
  try {
    ip('netns', 'add', name)
  } catch {
    return null
  }
  const cable = {
    /** Where the far end is. */
    host: `${net}.2`,
    /** What starts a program there. */
    command: ['ip', 'netns', 'exec', name],
    pull: () => ip('link', 'set', near, 'down'),
    plug: () => ip('link', 'set', near, 'up'),
    [Symbol.dispose]: () => ip('netns', 'del', name), // the cable goes with it
  }
  try {
    ip('link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name)
    ip('addr', 'add', `${net}.1/30`, 'dev', near)
    ip('-n', name, 'addr', 'add', `${net}.2/30`, 'dev', far)
    ip('-n', name, 'link', 'set', far, 'up')
    cable.plug()
    return cable
  } catch {
    cable[Symbol.dispose]()
    return null
  }
}

module.exports = { layCable }
