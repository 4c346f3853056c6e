'use strict'
/**
 * Making folders. Plain JavaScript, as lock.js, which needs it. Node's own recursive mkdir never ends, at full load, where
 * the system says ENOENT in a folder that is there, as /proc does.
 */

const { mkdir, stat } = require('node:fs/promises')
const { dirname } = require('node:path')
const { codeOf } = require('./holder')
const { obstacleTo } = require('./links')

/**
 * Makes a folder and those above it, as far as they are missing.
 * @param {string} folder
 * @returns {Promise<void>}
 */
async function makeFolder(folder) {
  try {
    await makeAll(folder)
  } catch (error) {
    // "File exists" of a link to nothing tells nobody what to do.
    const reason = obstacleTo(folder)
    throw reason === null
      ? error
      : Object.assign(new Error(reason, { cause: error }), { code: codeOf(error) })
  }
}

/** @param {string} folder */
async function makeAll(folder) {
  try {
    await makeOne(folder)
  } catch (error) {
    const above = dirname(folder)
    if (codeOf(error) !== 'ENOENT' || above === folder) throw error
    await makeAll(above)
    await makeOne(folder)
  }
}

/** @param {string} folder */
async function makeOne(folder) {
  try {
    await mkdir(folder)
  } catch (error) {
    const there = await stat(folder).catch(() => null)
    if (!there?.isDirectory()) throw error
  }
}

module.exports = { makeFolder }
