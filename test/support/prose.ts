/** What users read beside the manual's pages: doc comments of the public API, messages of errors, the command line's help. */
import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import ts from 'typescript'
import { filesUnder, ROOT } from './imports'

export interface Prose {
  readonly where: string
  readonly text: string
}

export const parsed = (file: string) =>
  ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest, true)

/** Doc comments of what a door exports, members and parameters included. */
export function docComments(door: string): readonly Prose[] {
  return parsed(door).statements.flatMap((node) => {
    if (!ts.isExportDeclaration(node) || node.exportClause === undefined) return docsOf(node)
    if (!ts.isNamedExports(node.exportClause) || node.moduleSpecifier === undefined) return []
    const names = node.exportClause.elements.map(({ name, propertyName }) => (propertyName ?? name).text)
    const target = (node.moduleSpecifier as ts.StringLiteral).text
    const from = parsed(posix.join(posix.dirname(door), `${target}.ts`))
    return from.statements.filter((one) => names.some((name) => declares(one, name))).flatMap(docsOf)
  })
}

export function declares(node: ts.Statement, name: string): boolean {
  if (ts.isVariableStatement(node))
    return node.declarationList.declarations.some((one) => one.name.getText() === name)
  return (node as ts.DeclarationStatement).name?.text === name
}

/** The comments of a declaration and of all that it holds. A tag, such as `@throws`, begins a sentence. */
function docsOf(node: ts.Node): Prose[] {
  const found: Prose[] = []
  const visit = (inner: ts.Node): void => {
    for (const comment of ts.getJSDocCommentsAndTags(inner).filter(ts.isJSDoc)) {
      const text = comment.getText().replaceAll(/^\s*\/\*\*|\*\/$|^\s*\*(?!\/) ?/gm, '')
      found.push({ where: placeOf(comment), text: text.replaceAll(/^\s*@\w+/gm, '\n\n') })
    }
    if (!ts.isBlock(inner)) ts.forEachChild(inner, visit)
  }
  visit(node)
  return found
}

function placeOf(node: ts.Node): string {
  const source = node.getSourceFile()
  return `${source.fileName}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
}

/**
 * Texts of lib/ of more than a word: messages of errors and warnings, what commands print. A value in one is a word.
 * What has line breaks in the source is a program or a table.
 */
export function messages(): readonly Prose[] {
  return filesUnder('lib', '.ts').flatMap((file) => {
    const found: Prose[] = []
    const visit = (node: ts.Node): void => {
      const text = literalIn(node)
      if (text === null) ts.forEachChild(node, visit)
      else if (text.includes(' ') && !node.getText().includes('\n'))
        found.push({ where: placeOf(node), text })
    }
    visit(parsed(file))
    return found
  })
}

/** A text, with `value` where it is put together; null where it is none. */
function literalIn(node: ts.Node): string | null {
  if (ts.isStringLiteralLike(node)) return node.text
  if (ts.isTemplateExpression(node))
    return [node.head.text, ...node.templateSpans.map(({ literal }) => `value${literal.text}`)].join('')
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return null
  return `${literalIn(node.left) ?? 'value'}${literalIn(node.right) ?? 'value'}`
}

/** What `--help` says of a command and of those under it. */
export function helpTexts(print: (command: readonly string[]) => string): readonly Prose[] {
  const of = (command: readonly string[]): Prose[] => {
    const printed = print(command)
    const [, list = ''] = /^Commands:\n(.*)/ms.exec(printed) ?? []
    const names = Array.from(list.matchAll(/^ {2}([a-z]\w*)/gm), ([, name = '']) => name)
    const own = descriptionsIn(printed).map((text) => ({ where: `${command.join(' ')} --help`, text }))
    return [...own, ...names.filter((name) => name !== 'help').flatMap((name) => of([...command, name]))]
  }
  return of([])
}

/** Terms are left out, lines of one item are joined. */
function descriptionsIn(printed: string): readonly string[] {
  return printed
    .split(/\n(?=\S|\n)|\n(?= {2}\S)/)
    .map((item) =>
      item
        .replace(/^ {2}.+?(?: {2,}|\n\s+)/, '')
        .replaceAll(/\s+/g, ' ')
        .trim(),
    )
    .filter((text) => text !== '' && !/^(Usage:|\w+:$)/.test(text))
}
