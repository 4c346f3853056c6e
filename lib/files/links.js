'use strict'
/** Links that lead nowhere, in the path of a folder. Plain JavaScript, as folder.js, which needs it. */

const { lstatSync, readlinkSync, statSync } = require('node:fs')
const { dirname } = require('node:path')
const { codeOf } = require('./holder')

/**
 * Why a path cannot be reached where one of its links leads nowhere, with the link and what it names; else null.
 * @param {string} path
 * @returns {string | null}
 */
function brokenLink(path) {
  for (const place of placesTo(path)) {
    const target = targetOf(place)
    if (target === null) continue
    try {
      statSync(place)
    } catch (error) {
      const what = WHAT[String(codeOf(error))]
      if (what !== undefined) return `${place} is a link to ${target}, which ${what}`
    }
  }
  return null
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

module.exports = { brokenLink }
