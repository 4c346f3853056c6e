'use strict'
// Whether a measurement had the machine to itself: what share of all cores others took meanwhile. Linux: it reads /proc.

const fs = require('node:fs')
const os = require('node:os')

const TICKS = 100 // a second; Linux has told programs so for as long as /proc exists, whatever it counts by itself

/** Ticks that anybody, the hypervisor's other guests included, has spent on our cores. */
function busyTicks(text) {
  const [user, nice, system, , , irq, softirq, steal] = text
    .split('\n')[0]
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return user + nice + system + irq + softirq + steal
}

/** Ticks of a process with all its threads, from its `stat`: after the name, which may hold spaces. */
function ticksOf(text) {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

function read(pid) {
  if (process.platform !== 'linux') return null
  const own = ['self', pid].map((one) => ticksOf(fs.readFileSync(`/proc/${one}/stat`, 'utf8')))
  return {
    others: busyTicks(fs.readFileSync('/proc/stat', 'utf8')) - own[0] - own[1],
    time: performance.now(),
  }
}

/** Runs `work` of process `pid`: its result, and the share of the machine that others took, or null where nobody knows. */
async function watch(pid, work) {
  const before = read(pid)
  const result = await work()
  const after = read(pid)
  if (before === null) return { result, others: null }
  const seconds = (after.time - before.time) / 1000
  const taken = (after.others - before.others) / (TICKS * seconds * os.cpus().length)
  return { result, others: Math.max(0, taken) }
}

const QUIET = 0.05 // of the machine
const TRIES = 3

/** The least disturbed of a few tries: the first one that is quiet enough. */
async function undisturbed(pid, work) {
  let best
  for (let tries = 0; tries < TRIES; tries++) {
    const one = await watch(pid, work)
    if (best === undefined || one.others < best.others) best = one
    if (best.others === null || best.others <= QUIET) break
  }
  return best
}

module.exports = { busyTicks, ticksOf, undisturbed, watch }
