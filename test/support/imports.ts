/** Who imports whom, read from the sources. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join, posix, sep } from 'node:path'
import ts from 'typescript'

export const ROOT = join(__dirname, '..', '..')

export interface Import {
  readonly from: string
  /** A file of lib/ without extension, or a package. */
  readonly to: string
  readonly isPackage: boolean
  readonly typeOnly: boolean
}

export function filesUnder(folder: string, ...extensions: string[]): string[] {
  if (!existsSync(join(ROOT, folder))) return []
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join(folder, name.split(sep).join('/')))
    .filter((file) => extensions.includes(extname(file)))
}

/** `files`: all that there are, for imports of a folder. */
export function importsOf(file: string, files: readonly string[]): Import[] {
  const source = ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest)
  const found: Import[] = []
  const add = (specifier: ts.Node | undefined, typeOnly: boolean) => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return
    const isPackage = !specifier.text.startsWith('.')
    const to = isPackage ? specifier.text : resolved(file, specifier.text, files)
    found.push({ from: file, to, isPackage, typeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, bringsTypesOnly(node.importClause))
    if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
      add(node.moduleReference.expression, node.isTypeOnly)
    }
    if (ts.isCallExpression(node) && isImportOrRequire(node.expression)) add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function bringsTypesOnly(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false // imported for its effect
  if (clause.isTypeOnly) return true
  const names = clause.namedBindings
  if (clause.name || names === undefined || !ts.isNamedImports(names)) return false
  return names.elements.length > 0 && names.elements.every(({ isTypeOnly }) => isTypeOnly)
}

function isImportOrRequire(callee: ts.Expression): boolean {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require')
}

/** A relative import as a path from the root, a folder as its index. */
function resolved(file: string, specifier: string, files: readonly string[]): string {
  const target = posix.join(posix.dirname(file), specifier)
  return files.includes(`${target}/index.ts`) ? `${target}/index` : withoutExtension(target)
}

export function withoutExtension(file: string): string {
  return file.replace(/\.(ts|js|json)$/, '')
}

/** The first cycle of a graph, as the names along it; empty when there is none. */
export function cycleIn(edges: readonly (readonly [string, string])[]): string[] {
  const next = new Map<string, string[]>()
  for (const [from, to] of edges) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const walk = (name: string, path: readonly string[]): string[] => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name]
    if (done.has(name)) return []
    for (const to of next.get(name) ?? []) {
      const cycle = walk(to, [...path, name])
      if (cycle.length > 0) return cycle
    }
    done.add(name)
    return []
  }
  for (const name of next.keys()) {
    const cycle = walk(name, [])
    if (cycle.length > 0) return cycle
  }
  return []
}
