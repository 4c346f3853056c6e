/**
 * Writes the flags of every command into docs/cli.md, as `--help` has them: `npm run docs:commands`. `--check` writes nothing, and fails
 * where the page says something else.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { at } from './tooling/places.mjs'

const PAGE = at('docs/cli.md')
const MARKS = /<!-- flags of (?<command>[a-z ]+) -->\n.*?<!-- end of the flags -->/gs

/** `wuerstchen COMMAND --help`, with every item on one line. */
function helpOf(command) {
  const args = [at('dist/cli/main.js'), ...command.split(' '), '--help']
  const text = execFileSync(process.execPath, args, { encoding: 'utf8' })
  return text.replaceAll(/\n {10,}(?=\S)/g, ' ')
}

/** Items under `Arguments:` or `Options:`, without `--help` itself. */
function itemsOf(help) {
  const items = Array.from(
    help.matchAll(/^ {2}(\S.*?)(?: {2,}| (?=[a-z].*\n))(\S.*)$/gm),
    ([, term, text]) => ({
      term,
      text: text.replaceAll(/\s+/g, ' ').trim(),
    }),
  )
  return items.filter(({ term }) => !term.startsWith('-h,'))
}

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;')

function tableOf(command) {
  const items = itemsOf(helpOf(command))
  if (items.length === 0) throw new Error(`Expected '${command} --help' to have items`)
  const rows = items.map(({ term, text }) => `| \`${term.replaceAll('|', '\\|')}\` | ${cell(text)} |`)
  return ['| | |', '|---|---|', ...rows].join('\n')
}

const page = readFileSync(PAGE, 'utf8')
const commands = []
const written = page.replaceAll(MARKS, (_, command) => {
  commands.push(command)
  return `<!-- flags of ${command} -->\n${tableOf(command)}\n<!-- end of the flags -->`
})
if (commands.length === 0) throw new Error(`Expected marks such as '<!-- flags of generate -->' in ${PAGE}`)
if (!process.argv.includes('--check')) writeFileSync(PAGE, written)
else if (written !== page) {
  console.error(`Expected ${PAGE} to have what --help says: npm run docs:commands`)
  process.exitCode = 1
}
console.log(commands.join(', '))
