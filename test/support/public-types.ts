/** Which types the public API mentions, read from the sources. */
import { posix } from 'node:path'
import ts from 'typescript'
import { declares, parsed } from './prose'

/**
 * Names of lib/'s own that a door's exports mention and that no door exports: the reference has no page for them.
 */
export function hiddenTypes(door: string, doors: readonly string[] = [door]): readonly string[] {
  const shown = new Set(doors.flatMap((one) => exportsOf(one).map(({ name }) => name)))
  const mentioned = new Map<string, string>()
  for (const { name, own, declarations } of exportsOf(door))
    for (const type of declarations.flatMap(mentionedIn))
      if (own.names.has(type)) mentioned.set(type, `${own.file}: ${name} mentions ${type}`)
  return [...mentioned].filter(([type]) => !shown.has(type)).map(([, where]) => where)
}

interface Export {
  readonly name: string
  /** The file that declares it, and the names known there. */
  readonly own: { readonly file: string; readonly names: ReadonlySet<string> }
  readonly declarations: readonly ts.Statement[]
}

/** What a door declares or passes on, whole files included. */
function exportsOf(door: string): readonly Export[] {
  const source = parsed(door)
  return source.statements.flatMap((node) => {
    if (!ts.isExportDeclaration(node)) return isExported(node) ? declaredBy(source, node) : []
    if (node.moduleSpecifier === undefined) return []
    const target = (node.moduleSpecifier as ts.StringLiteral).text
    const from = parsed(posix.join(posix.dirname(door), `${target}.ts`))
    if (node.exportClause === undefined)
      return from.statements.filter(isExported).flatMap((one) => declaredBy(from, one))
    if (!ts.isNamedExports(node.exportClause)) return []
    return node.exportClause.elements.map(({ name, propertyName }) => ({
      name: name.text,
      own: ownOf(from),
      declarations: from.statements.filter((one) => declares(one, (propertyName ?? name).text)),
    }))
  })
}

const ownOf = (source: ts.SourceFile) => ({ file: source.fileName, names: ownNames(source) })

const declaredBy = (source: ts.SourceFile, node: ts.Statement): readonly Export[] =>
  namesOf(node).map((name) => ({ name, own: ownOf(source), declarations: [node] }))

const isExported = (node: ts.Statement): boolean =>
  ts.canHaveModifiers(node) &&
  (ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false)

/** Declared in a file, or imported from another of lib/. */
function ownNames(source: ts.SourceFile): ReadonlySet<string> {
  const names = source.statements.flatMap((node) => {
    if (ts.isImportDeclaration(node)) {
      const bindings = node.importClause?.namedBindings
      const isOwn = (node.moduleSpecifier as ts.StringLiteral).text.startsWith('.')
      return isOwn && bindings !== undefined && ts.isNamedImports(bindings)
        ? bindings.elements.map(({ name }) => name.text)
        : []
    }
    return namesOf(node)
  })
  return new Set(names)
}

function namesOf(node: ts.Statement): readonly string[] {
  if (ts.isVariableStatement(node)) return node.declarationList.declarations.map((one) => one.name.getText())
  const { name } = node as ts.DeclarationStatement
  return name === undefined ? [] : [name.text]
}

/** Types in what callers see of a declaration: no bodies, nothing private, and of its bases their members alone. */
function mentionedIn(node: ts.Node): readonly string[] {
  const found: string[] = []
  const visit = (inner: ts.Node): void => {
    const isHidden = ts.canHaveModifiers(inner) && isPrivate(inner)
    if (isHidden || ts.isBlock(inner) || ts.isHeritageClause(inner) || isInternal(inner)) return
    if (ts.isTypeReferenceNode(inner) && ts.isIdentifier(inner.typeName)) found.push(inner.typeName.text)
    if (ts.isTypeQueryNode(inner) && ts.isIdentifier(inner.exprName)) found.push(inner.exprName.text)
    ts.forEachChild(inner, visit)
  }
  visit(node)
  return found
}

function isPrivate(node: ts.HasModifiers): boolean {
  return node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) ?? false
}

function isInternal(node: ts.Node): boolean {
  return ts.getJSDocTags(node).some(({ tagName }) => tagName.text === 'internal')
}
