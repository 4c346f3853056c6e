/**
 * How the sources are kept, in four numbers: `node scripts/house.mjs [FOLDER of a checkout]`. Files over 300 lines, the longest
 * function of lib/, circles of imports in lib/, and how many files import the busiest one.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, extname, join, relative, resolve } from 'node:path'
import ts from 'typescript'
import { ROOT } from './tooling/places.mjs'

const FOLDERS = ['lib', 'cpp', 'test', 'scripts', 'bench', 'web', 'packages', 'docker', 'site']
const SOURCES = ['.ts', '.tsx', '.js', '.mjs', '.cc', '.h', '.py', '.css']
const MOST_LINES = 300

const root = resolve(process.argv[2] ?? ROOT)

function filesIn(folder) {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && SOURCES.includes(extname(entry.name)))
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)))
    .filter((file) => !/(^|\/)(node_modules|dist|results)\//.test(file))
}

const read = (file) => readFileSync(join(root, file), 'utf8')
const linesOf = (text) => text.split('\n').length - 1

function longFiles() {
  const long = FOLDERS.flatMap(filesIn)
    .map((file) => ({ file, lines: linesOf(read(file)) }))
    .filter(({ lines }) => lines > MOST_LINES)
  return long.sort((a, b) => b.lines - a.lines)
}

const parsed = (file) => ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true)

/** The longest function by lines, with its name or its file alone. */
function longestFunction(files) {
  let longest = { lines: 0, name: '' }
  for (const file of files) {
    const source = parsed(file)
    const visit = (node) => {
      if (ts.isFunctionLike(node) && node.body !== undefined) {
        const [first, last] = [node.getStart(), node.end].map(
          (at) => source.getLineAndCharacterOfPosition(at).line,
        )
        const lines = last - first + 1
        if (lines > longest.lines) longest = { lines, name: `${file} ${node.name?.getText() ?? ''}`.trim() }
      }
      ts.forEachChild(node, visit)
    }
    visit(source)
  }
  return longest
}

/** Files that a file imports, types included. */
function importsOf(file, files) {
  const found = []
  for (const node of parsed(file).statements) {
    if (!(ts.isImportDeclaration(node) || ts.isExportDeclaration(node))) continue
    const target = node.moduleSpecifier?.text
    if (target === undefined || !target.startsWith('.')) continue
    const path = join(dirname(file), target)
    const there = [`${path}.ts`, `${path}/index.ts`, `${path}.js`].find((one) => files.includes(one))
    if (there !== undefined) found.push(there)
  }
  return [...new Set(found)]
}

/** Groups of files that reach each other (Tarjan). */
function circlesOf(edges) {
  const [order, low, stack, circles] = [new Map(), new Map(), [], []]
  const walk = (name) => {
    order.set(name, order.size)
    low.set(name, order.get(name))
    stack.push(name)
    for (const to of edges.get(name) ?? []) {
      if (!order.has(to)) walk(to)
      if (stack.includes(to)) low.set(name, Math.min(low.get(name), low.get(to)))
    }
    if (low.get(name) !== order.get(name)) return
    const group = stack.splice(stack.indexOf(name))
    if (group.length > 1) circles.push(group)
  }
  for (const name of edges.keys()) if (!order.has(name)) walk(name)
  return circles
}

function main() {
  const files = filesIn('lib').filter((file) => ['.ts', '.js'].includes(extname(file)))
  if (files.length === 0) throw new Error(`Expected sources in ${join(root, 'lib')}`)
  const edges = new Map(files.map((file) => [file, importsOf(file, files)]))
  const long = longFiles()
  const circles = circlesOf(edges)
  const counts = new Map()
  for (const targets of edges.values()) for (const to of targets) counts.set(to, (counts.get(to) ?? 0) + 1)
  const [busiest] = [...counts].sort((a, b) => b[1] - a[1])
  const [most] = [...edges].sort((a, b) => b[1].length - a[1].length)
  const longest = longestFunction(files)
  console.log(`files over ${MOST_LINES} lines: ${long.length}`)
  for (const { file, lines } of long) console.log(`  ${file} ${lines}`)
  console.log(`longest function of lib/: ${longest.lines} lines, ${longest.name}`)
  console.log(`circles of files in lib/: ${circles.length}`)
  for (const group of circles) console.log(`  ${group.join(', ')}`)
  console.log(`file with most imports in lib/: ${most?.[0]}, ${most?.[1].length} files of lib/`)
  console.log(`most imported file of lib/: ${busiest?.[0]}, by ${busiest?.[1]} files`)
}

main()
