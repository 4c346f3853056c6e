/** Every style and type check, or with `--fix` everything that can be put right by a tool. Fails when a tool had no files. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { extname, join, relative } from 'node:path'
import { at, ROOT, VENV_PYTHON, venvProgram } from './tooling/places.mjs'

const NOT_OURS = [
  'node_modules',
  'build',
  'build-cmake',
  'build-release',
  'dist',
  '__pycache__',
  'fixtures',
  'goldens',
]
const sources = walk(ROOT)
const withExtension = (...extensions) => sources.filter((file) => extensions.includes(extname(file)))

const cpp = withExtension('.cc', '.h')
const python = withExtension('.py')
const typescript = withExtension('.ts')
const page = sources.filter((file) => file.startsWith('web') && ['.ts', '.tsx'].includes(extname(file)))
const scripts = [...typescript, ...withExtension('.tsx', '.css', '.mjs', '.js', '.json')]

const node = (bin, ...args) => [process.execPath, at('node_modules', ...bin.split('/')), ...args]
const biome = (...args) => node('@biomejs/biome/bin/biome', ...args, '.')
const ruff = (...args) => [venvProgram('ruff'), ...args, ...python]

const CHECKS = [
  { name: 'biome', files: scripts, command: biome('check', '--error-on-warnings') },
  {
    name: 'tsc lib',
    files: typescript,
    command: node('typescript/bin/tsc', '--noEmit', '-p', at('tsconfig.json')),
  },
  { name: 'tsc test', files: typescript, command: node('typescript/bin/tsc', '-p', at('test')) },
  { name: 'tsc web', files: page, command: node('typescript/bin/tsc', '-p', at('web')) },
  {
    name: 'clang-format',
    files: cpp,
    command: [venvProgram('clang-format'), '--dry-run', '-Werror', ...cpp],
  },
  { name: 'cpplint', files: cpp, command: [VENV_PYTHON, '-m', 'cpplint', '--quiet', ...cpp] },
  { name: 'ruff check', files: python, command: ruff('check', '--quiet') },
  { name: 'ruff format', files: python, command: ruff('format', '--check', '--quiet') },
]

const FIXES = [
  { name: 'biome', files: scripts, command: biome('check', '--write', '--error-on-warnings') },
  { name: 'clang-format', files: cpp, command: [venvProgram('clang-format'), '-i', ...cpp] },
  { name: 'ruff check', files: python, command: ruff('check', '--fix', '--quiet') },
  { name: 'ruff format', files: python, command: ruff('format', '--quiet') },
]

const failed = (process.argv.includes('--fix') ? FIXES : CHECKS)
  .filter((check) => !passes(check))
  .map(({ name }) => name)
if (failed.length > 0) console.error(`lint: failed: ${failed.join(', ')}`)
process.exitCode = failed.length > 0 ? 1 : 0

function passes({ name, files, command: [program, ...args] }) {
  const started = Date.now()
  if (files.length === 0) {
    console.error(`lint: ${name}: found no files to check`)
    return false
  }
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  const ok = status === 0
  console.log(
    `lint: ${name}: ${ok ? 'ok' : 'FAILED'} (${files.length} files, ${((Date.now() - started) / 1000).toFixed(1)} s)`,
  )
  if (!ok) console.error(error?.message ?? `${stdout}${stderr}`)
  return ok
}

function walk(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (NOT_OURS.includes(entry.name) || entry.name.startsWith('.')) return []
    const path = join(folder, entry.name)
    return entry.isDirectory() ? walk(path) : [relative(ROOT, path)]
  })
}
