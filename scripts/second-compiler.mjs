/**
 * Reads the C++ with compilers other than the one that builds it: `node scripts/second-compiler.mjs`. Nothing is linked.
 *
 * All of it with clang 16 of Debian, warnings being errors. What knows the system (cpp/platform) and the loader's list of
 * libraries also for Windows with mingw-w64, and for macOS with zig's clang where ziglang of PyPI is installed. A compiler
 * that is missing is said, and is an error with --all. `--only macOS` is one of them.
 */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { at, libtorch, VENV_PYTHON } from './tooling/places.mjs'
import { run } from './tooling/shell.mjs'

const CLANG = 'clang++-16'
const MINGW = 'x86_64-w64-mingw32-g++-posix'
const STRICT = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', `-I${at('cpp')}`]
// zig 0.17 looks for the object that it was not to make.
const COMPILED = STRICT.with(STRICT.indexOf('-fsyntax-only'), '-c')
const SYSTEM = [
  ...readdirSync(at('cpp', 'platform')).filter((name) => name.endsWith('.cc')),
  '../loader/libraries.cc',
  '../runtime/kernels/abilities.cc',
].map((name) => at('cpp', 'platform', name))

const objects = mkdtempSync(join(tmpdir(), 'wuerstchen-zig-'))
process.on('exit', () => rmSync(objects, { recursive: true, force: true }))
const objectOf = (index) => join(objects, `${index}.o`)
const isThere = (command, args) => spawnSync(command, args).status === 0

/** Who reads what: each a list of `[name, command, arguments]`, or null where the compiler is missing. */
const READERS = {
  'clang 16 (Debian: clang-16, libomp-16-dev)': async () =>
    isThere(CLANG, ['--version']) ? commandsOfCMake() : null,
  'Windows: mingw-w64 (Debian: g++-mingw-w64-x86-64-posix)': async () =>
    isThere(MINGW, ['--version'])
      ? SYSTEM.map((file) => [file, MINGW, [...STRICT, '-D_WIN32_WINNT=0x0A00', file]])
      : null,
  'macOS: zig (PyPI: ziglang)': async () => {
    const zig = ['-m', 'ziglang', 'c++', '-target', 'aarch64-macos', '-Wno-unused-command-line-argument']
    return isThere(VENV_PYTHON, ['-m', 'ziglang', 'version'])
      ? SYSTEM.map((file, index) => [file, VENV_PYTHON, [...zig, ...COMPILED, '-o', objectOf(index), file]])
      : null
  },
}

/** As CMake compiles each file, but only read. */
async function commandsOfCMake() {
  const build = at('build-release', 'clang')
  const headers = ['node-api-headers/include', 'node-addon-api'].map((name) => at('node_modules', name))
  await run(
    'cmake',
    [
      ...['-S', at('cpp'), '-B', build, `-DCMAKE_CXX_COMPILER=${CLANG}`, '-DCMAKE_BUILD_TYPE=Release'],
      ...[
        '-DCMAKE_EXPORT_COMPILE_COMMANDS=ON',
        `-DCMAKE_JS_INC=${headers.join(';')}`,
        `-DLIBTORCH=${libtorch()}`,
      ],
    ],
    { log: at('.bootstrap', 'second-compiler.log') },
  )
  const commands = JSON.parse(readFileSync(join(build, 'compile_commands.json'), 'utf8'))
  return commands.map(({ file, command }) => [
    file,
    'sh',
    ['-c', command.replace(/ -o \S+ -c /, ' -fsyntax-only ')],
  ])
}

/** Runs the commands, as many at once as there are cores; returns what failed. */
async function readAll(commands) {
  const failures = []
  const waiting = [...commands]
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [file, command, args] = next
      const { code, output } = await outputOf(command, args)
      if (code !== 0) failures.push(`${file}:\n${output}`)
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  return failures
}

function outputOf(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (chunk) => {
        output += chunk
      })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

async function main() {
  const { values } = parseArgs({
    options: { all: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
  })
  const readers = Object.entries(READERS).filter(([name]) => name.includes(values.only))
  if (readers.length === 0)
    throw new Error(
      `Expected --only to be part of ${Object.keys(READERS).join(', ')} but received '${values.only}'`,
    )
  let failed = 0
  for (const [name, commandsOf] of readers) {
    const commands = await commandsOf()
    if (commands === null) {
      console.log(`SKIPPED: ${name} is not installed`)
      if (values.all) failed += 1
      continue
    }
    if (commands.length === 0 || !commands.every(([file]) => existsSync(file)))
      throw new Error(`Expected files for ${name} but found none`)
    const started = Date.now()
    const failures = await readAll(commands)
    for (const failure of failures) console.error(failure)
    failed += failures.length
    const seconds = ((Date.now() - started) / 1000).toFixed(0)
    console.log(`${name}: ${commands.length} files, ${failures.length} with errors or warnings, ${seconds} s`)
  }
  if (failed > 0) process.exitCode = 1
}

await main()
