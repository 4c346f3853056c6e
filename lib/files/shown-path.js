'use strict'
/** Names of files in messages. Plain JavaScript, as links.js, which needs it. */

/** What moves a terminal's cursor, ends a line, or turns the direction of a text. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/**
 * A path on one line, with escapes as in JSON for what is no letter: a name may be anything.
 * @param {string} path
 * @returns {string}
 */
function shownPath(path) {
  return path.replace(UNPRINTABLE, escaped)
}

/** @param {string} character */
function escaped(character) {
  const text = JSON.stringify(character).slice(1, -1)
  return text.length > 1 ? text : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

module.exports = { shownPath }
