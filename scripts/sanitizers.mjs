/**
 * The native tests on an addon built with the address and undefined-behaviour sanitizers: `npm run test:sanitizers
 * [arguments for jest]`. Linux with GCC. libtorch itself is not instrumented; what it is given by the addon is.
 * Leaks are not looked for: Node leaves much behind when it ends, on purpose.
 */
import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism, freemem } from 'node:os'
import { join } from 'node:path'
import { at, libtorch, ROOT } from './tooling/places.mjs'

const BUILD = 'build-sanitized'
const COMPILER_BYTES = 3.5 * 2 ** 30 // of one compiler on a file with libtorch's headers, instrumented
const LIBRARIES = ['libasan.so', 'libubsan.so']
/** Python's export and compiled graphs are libtorch's own code, and take minutes here. */
const LEFT_OUT = ['export.test', 'compiled.test']

const OPTIONS = {
  // Node and libtorch replace and exchange allocators; both end without freeing.
  ASAN_OPTIONS: 'detect_leaks=0:alloc_dealloc_mismatch=0:detect_odr_violation=0:abort_on_error=1',
  UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:abort_on_error=1',
}

async function main() {
  if (process.platform !== 'linux') throw new Error('Expected Linux: the sanitizers are preloaded there')
  await build()
  const libraries = LIBRARIES.map(pathOf)
  const code = await run(
    process.execPath,
    ['--expose-gc', at('node_modules/jest/bin/jest.js'), ...jestArguments()],
    {
      ...OPTIONS,
      LD_PRELOAD: libraries.join(':'),
      WUERSTCHEN_ENGINE_BUILD: BUILD,
    },
  )
  process.exitCode = code
}

async function build() {
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / COMPILER_BYTES)))
  const code = await run(process.execPath, [
    at('node_modules/cmake-js/bin/cmake-js'),
    ...['build', '-d', at('cpp'), '-O', at(BUILD), '-B', 'Release', '-p', `${jobs}`],
    `--CDLIBTORCH=${libtorch()}`,
    '--CDSANITIZE=ON',
  ])
  if (code !== 0) throw new Error(`The build with sanitizers failed with exit code ${code}`)
  if (!existsSync(join(at(BUILD), 'Release', 'wuerstchen.node')))
    throw new Error(`Expected an addon in ${BUILD}`)
}

function jestArguments() {
  const given = process.argv.slice(2)
  const ignored = LEFT_OUT.flatMap((name) => ['--testPathIgnorePatterns', name])
  return ['--selectProjects', 'native', '--runInBand', '--testTimeout=600000', ...ignored, ...given]
}

/** Where the compiler has a library of its own. */
function pathOf(library) {
  const path = execFileSync(process.env.CXX ?? 'g++', [`-print-file-name=${library}`], {
    encoding: 'utf8',
  }).trim()
  if (!path.startsWith('/')) throw new Error(`Expected the compiler to come with ${library}`)
  return path
}

function run(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: 'inherit' })
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
