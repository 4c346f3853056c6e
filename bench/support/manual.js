'use strict'
// Results in the manual: a program's table stands between two marks of a page, and `--docs` writes it there.

const fs = require('node:fs')
const path = require('node:path')
const { machine } = require('./statistics')

const FOLDER = path.join(__dirname, '..', '..', 'docs')

const beginOf = (name) => `<!-- ${name} table: `
const endOf = (name) => `<!-- end of the ${name} table -->`

/** `page` with `text` between the marks of `name`. Each mark stands there once, or nobody knows what is replaced. */
function withTable(page, name, text) {
  const [before, after, ...more] = page.split(beginOf(name))
  const [old, rest, ...others] = (after ?? '').split(endOf(name))
  const broken = after === undefined || rest === undefined || more.length + others.length > 0
  if (broken || before.includes(endOf(name)))
    throw new Error(
      `Expected one '${beginOf(name)}COMMAND -->' and one '${endOf(name)}' after it, in a page of docs/`,
    )
  const mark = old.slice(0, old.indexOf('-->') + '-->'.length)
  return `${before}${beginOf(name)}${mark}\n${text.trim()}\n${endOf(name)}${rest}`
}

/** Writes a table into a page of docs/. */
function writeTable(name, text, page = 'benchmarks.md') {
  const file = path.join(FOLDER, page)
  fs.writeFileSync(file, withTable(fs.readFileSync(file, 'utf8'), name, text))
}

/** How this process was started, without the flag that says where results go. */
function commandOf([, file, ...args]) {
  const program = path.basename(file, '.js')
  const script = program === 'speed' ? 'npm run bench' : `npm run bench:${program}`
  const rest = args.filter((one) => one !== '--docs')
  return rest.length === 0 ? script : `${script} -- ${rest.join(' ')}`
}

/** Day, machine and command: what a reader needs to judge a table. */
function headOf(argv = process.argv, now = new Date()) {
  return `${now.toISOString().slice(0, 10)}, ${machine()}. \`${commandOf(argv)}\``
}

/** Lines that a program prints; with `docs` they also go to the manual, under day, machine and command. */
class Report {
  constructor(name, { docs, page }) {
    Object.assign(this, { name, docs, page, lines: [] })
  }

  line(text) {
    console.log(text)
    this.lines.push(text)
  }

  end() {
    if (this.docs) writeTable(this.name, `${headOf()}\n\n${this.lines.join('\n').trim()}`, this.page)
  }
}

module.exports = { Report, commandOf, headOf, withTable, writeTable }
