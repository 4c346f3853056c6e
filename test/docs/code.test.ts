/** Every code block of the manual: TypeScript compiles against the package, commands and flags exist. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { ROOT } from '../../bench/support/reference'
import { type CodeBlock, codeBlocks, pages } from '../support/markdown'
import { ensureDist } from '../support/node-process'

const blocks = pages()
  .filter(({ file }) => file !== 'CHANGELOG.md')
  .flatMap(codeBlocks)
const named = (block: CodeBlock) => `${block.page.file}:${block.line}`

/** What a snippet may use without saying where it comes from. */
const GIVEN: Readonly<Record<string, string>> = {
  pipeline: 'WuerstchenPipeline',
  embeddings: 'ImageEmbeddings[]',
  images: 'GeneratedImage[]',
  image: 'GeneratedImage',
  prompt: 'string',
  request: '{ readonly signal: AbortSignal; readonly query: { readonly prompt: string } }',
  signal: 'AbortSignal',
  tryAgainSmaller: '() => void',
}
const NAMES = [
  'WuerstchenPipeline',
  'ImageEmbeddings',
  'PromptEmbeddings',
  'GeneratedImage',
  'readParameters',
  'pullModel',
]

describe('TypeScript in the manual', () => {
  const snippets = blocks.filter(({ language }) =>
    ['ts', 'js', 'typescript', 'javascript'].includes(language),
  )

  it('is found at all', () => expect(snippets.length).toBeGreaterThan(5))

  it('compiles', () => {
    const folder = mkdtempSync(join(ROOT, '.fixtures', 'manual-'))
    try {
      const files = new Map(
        snippets.map((block, index) => {
          const file = join(folder, `${index}.ts`)
          writeFileSync(file, moduleOf(block))
          return [file, block] as const
        }),
      )
      expect(problemsIn(files)).toEqual([])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe('commands in the manual', () => {
  const commands = blocks
    .filter(({ language }) => ['sh', 'bash', 'console'].includes(language))
    .flatMap((block) =>
      block.code
        .replaceAll('\\\n', ' ')
        .split('\n')
        .map((line) => ({ block, line: plain(line) })),
    )
    .filter(({ line }) => line !== '')

  it('are found at all', () => expect(commands.length).toBeGreaterThan(10))

  it('name scripts of package.json that are there', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: object }
    const lost = commands.filter(({ line }) => {
      const [, script = ''] = /^npm (?:run |(?=test\b))([\w:-]+)/.exec(line) ?? []
      return script !== '' && !(script in scripts)
    })
    expect(lost.map(({ block, line }) => `${named(block)} ${line}`)).toEqual([])
  })

  it('name commands and flags of wuerstchen that are there', () => {
    ensureDist()
    const help = new Map<string, string>()
    const helpOf = (command: string) => {
      const text = help.get(command) ?? cliHelp(command.split(' '))
      help.set(command, text)
      return text
    }
    const ours = commands.flatMap(({ block, line }) => {
      const [, command, rest = ''] =
        /(?:^|\bnpx |\| )wuerstchen ((?:runtime )?[a-z]+)\b(.*)$/.exec(line.replace(/^npm install.*/, '')) ??
        []
      return command === undefined ? [] : [{ block, command, rest }]
    })
    expect(ours.length).toBeGreaterThan(3)
    const lost = ours.flatMap(({ block, command, rest }) => {
      const flags = rest.match(/(?<=\s)--?[a-z][a-z-]*/g) ?? []
      const text = helpOf(command)
      return flags.filter((flag) => !text.includes(flag)).map((flag) => `${named(block)} ${command} ${flag}`)
    })
    expect(lost).toEqual([])
  })
})

/** Without a prompt sign and comments. */
function plain(line: string): string {
  return line
    .replace(/^\$ /, '')
    .replace(/(^|\s)#.*$/, '')
    .trim()
}

function cliHelp(command: readonly string[]): string {
  return execFileSync(process.execPath, [join(ROOT, 'dist', 'cli', 'main.js'), ...command, '--help'], {
    encoding: 'utf8',
  })
}

/** A snippet as a module: what it does not declare or import itself is declared before it. */
function moduleOf({ code, language }: CodeBlock): string {
  const declares = (name: string) =>
    new RegExp(`\\b(?:const|let|class|function|import)\\b(?:(?! of )[^\\n=(])*\\b${name}\\b`).test(code)
  const imported = NAMES.filter((name) => !declares(name))
  const given = Object.entries(GIVEN).filter(([name]) => !declares(name))
  const head = [
    language.startsWith('j') ? '// @ts-nocheck' : '',
    `import { ${imported.join(', ')} } from 'wuerstchen'`,
    ...given.map(([name, type]) => `declare const ${name}: ${type}`),
  ]
  // As a function: a snippet may return.
  const [imports, body] = [/^import .*$/gm, code.replaceAll(/^import .*$/gm, '')]
  const own = code.match(imports) ?? []
  return [
    ...head,
    ...own,
    'export async function snippet(): Promise<unknown> {',
    body,
    'return undefined',
    '}',
  ].join('\n')
}

function problemsIn(files: ReadonlyMap<string, CodeBlock>): readonly string[] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT)
  const program = ts.createProgram([...files.keys()], {
    ...options,
    noEmit: true,
    rootDir: ROOT,
    noUnusedLocals: false,
    noUncheckedIndexedAccess: false, // images[0] of a request for one picture
    paths: {
      wuerstchen: [join(ROOT, 'lib', 'index.ts')],
      'wuerstchen/*': [join(ROOT, 'lib', '*', 'index.ts')],
    },
  })
  const ours = ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file === undefined || files.has(file.fileName))
  return ours.map(({ file, messageText }) => {
    const block = file && files.get(file.fileName)
    const where = block ? named(block) : (file?.fileName ?? '')
    return `${where} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  })
}
