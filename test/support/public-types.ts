/** Which types the public API mentions, read from the sources. */
import { posix } from 'node:path'
import ts from 'typescript'
import { declares, parsed } from './prose'

/** Names of lib/'s own that a door's exports mention and that it does not export itself: the reference has no page for them. */
export function hiddenTypes(door: string): readonly string[] {
  const shown = new Set<string>()
  const mentioned = new Map<string, string>()
  for (const node of parsed(door).statements) {
    if (!ts.isExportDeclaration(node) || node.moduleSpecifier === undefined) continue
    if (node.exportClause === undefined || !ts.isNamedExports(node.exportClause)) continue
    const target = (node.moduleSpecifier as ts.StringLiteral).text
    const from = parsed(posix.join(posix.dirname(door), `${target}.ts`))
    const own = ownNames(from)
    for (const { name, propertyName } of node.exportClause.elements) {
      shown.add(name.text)
      const declarations = from.statements.filter((one) => declares(one, (propertyName ?? name).text))
      for (const type of declarations.flatMap(mentionedIn))
        if (own.has(type)) mentioned.set(type, `${from.fileName}: ${name.text} mentions ${type}`)
    }
  }
  return [...mentioned].filter(([type]) => !shown.has(type)).map(([, where]) => where)
}

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
    if (ts.isVariableStatement(node))
      return node.declarationList.declarations.map((one) => one.name.getText())
    const { name } = node as ts.DeclarationStatement
    return name === undefined ? [] : [name.text]
  })
  return new Set(names)
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
