'use strict'
/** What is in the way of a folder: links that lead nowhere, and files. Plain JavaScript, as folder.js, which needs it. */

const { lstatSync, readlinkSync, statSync } = require('node:fs')
const { dirname } = require('node:path')
const { codeOf } = require('./holder')
const { shownPath } = require('./shown-path')

/**
 * Why there cannot be a folder of this path: one of its links leads nowhere, or a part of it is a file. Null where neither is.
 * @param {string} path
 * @returns {string | null}
 */
function obstacleTo(path) {
  for (const place of placesTo(path)) {
    const what = faultOf(place)
    if (what === null) continue
    const target = targetOf(place)
    if (target !== null) return `${shownPath(place)} is a link to ${shownPath(target)}, which ${what}`
    // What is not there can be made.
    if (what === FILE) return `${shownPath(place)} ${what}`
  }
  return null
}

const FILE = 'is a file and no folder'

/** @param {string} place */
function faultOf(place) {
  try {
    return statSync(place).isFile() ? FILE : null
  } catch (error) {
    return WHAT[String(codeOf(error))] ?? null
  }
}

/** @type {Readonly<Record<string, string>>} */
const WHAT = { ENOENT: 'does not exist', ELOOP: 'leads back to it' }

/**
 * A path and the folders above it, the highest first.
 * @param {string} path
 * @returns {string[]}
 */
function placesTo(path) {
  const above = dirname(path)
  return above === path ? [] : [...placesTo(above), path]
}

/** @param {string} place */
function targetOf(place) {
  try {
    return lstatSync(place).isSymbolicLink() ? readlinkSync(place) : null
  } catch {
    return null // not there, or not to be seen
  }
}

module.exports = { obstacleTo }
