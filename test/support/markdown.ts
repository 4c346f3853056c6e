/** The pages that users read, their links, headings and code. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { ROOT } from '../../bench/support/reference'

export interface Page {
  /** From the root, with forward slashes. */
  readonly file: string
  readonly text: string
}

export interface CodeBlock {
  readonly page: Page
  /** The line after its fence, from 1. */
  readonly line: number
  readonly language: string
  readonly code: string
}

/** Markdown at the root and in docs/ and examples/. */
export function pages(): readonly Page[] {
  const atRoot = readdirSync(ROOT).filter((name) => name.endsWith('.md'))
  const below = ['docs', 'examples'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md') && !/(^|[/\\])(node_modules|api|\.vitepress)[/\\]/.test(name))
      .map((name) => join(folder, name)),
  )
  return [...atRoot, ...below].map((name) => ({
    file: relative('.', name).replaceAll('\\', '/'),
    text: readFileSync(join(ROOT, name), 'utf8'),
  }))
}

const FENCE = /^```(\w*)[^\n]*\n(.*?)^```/gms

export function codeBlocks(page: Page): readonly CodeBlock[] {
  return Array.from(page.text.matchAll(FENCE), ({ index, 0: whole, 1: language = '', 2: code = '' }) => ({
    page,
    line: page.text.slice(0, index).split('\n').length + 1,
    language: whole === '' ? '' : language,
    code,
  }))
}

/** Targets of links and pictures, without what stands in code. */
export function links({ text }: Page): readonly string[] {
  const prose = text.replaceAll(FENCE, '').replaceAll(/`[^`\n]*`/g, '')
  return Array.from(
    prose.matchAll(/\]\(([^()\s]+(?:\([^()]*\))?)(?:\s+"[^"]*")?\)/g),
    ([, target = '']) => target,
  )
}

/** What headings are called in an address, as GitHub and VitePress make it. */
export function anchors({ text }: Page): readonly string[] {
  const seen = new Map<string, number>()
  return Array.from(text.replaceAll(FENCE, '').matchAll(/^#{1,6} +(.+?) *$/gm), ([, heading = '']) => {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(/\s/g, '-')
    const times = seen.get(slug) ?? 0
    seen.set(slug, times + 1)
    return times === 0 ? slug : `${slug}-${times}`
  })
}
