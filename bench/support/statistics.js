'use strict'

const os = require('node:os')

function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** "412 (398–455)": the median and the whole range, in milliseconds. */
function spread(values) {
  return `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)})`
}

/** Largest difference of two lists of numbers, relative to the largest value of the second. */
function apart(found, wanted) {
  if (found.length !== wanted.length)
    throw new Error(`Expected ${wanted.length} values but received ${found.length}`)
  let largest = 0
  let scale = 0
  for (let index = 0; index < wanted.length; index++) {
    const error = Math.abs(found[index] - wanted[index])
    if (!(error <= largest)) largest = error // and NaN is never an agreement
    scale = Math.max(scale, Math.abs(wanted[index]))
  }
  return largest / scale
}

/** What a reader needs to judge the numbers. */
function machine() {
  const [cpu] = os.cpus()
  return `${cpu ? cpu.model : 'unknown CPU'}, ${os.availableParallelism()} cores, Node ${process.version}, ${os.platform()} ${os.arch()}`
}

module.exports = { apart, median, spread, machine }
