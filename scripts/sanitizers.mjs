/**
 * The native tests on an addon built with sanitizers: `npm run test:sanitizers [-- [--thread] [arguments for jest]]`. By itself
 * those of addresses and undefined behaviour; with `--thread` that of data races, on the tests that have several threads.
 * Linux with GCC. libtorch itself is not instrumented; what it is given by the addon is. Leaks are not looked for: Node leaves
 * much behind when it ends, on purpose.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { arch, availableParallelism, freemem } from 'node:os'
import { join } from 'node:path'
import { at, libtorch, ROOT } from './tooling/places.mjs'

const COMPILER_BYTES = 2 ** 30 // of one compiler on a file with libtorch's headers, instrumented

const ADDRESSES = {
  build: 'build-sanitized',
  sanitize: 'address,undefined',
  libraries: ['libasan.so', 'libubsan.so'],
  environment: {
    // Node and libtorch replace and exchange allocators; both end without freeing.
    ASAN_OPTIONS: 'detect_leaks=0:alloc_dealloc_mismatch=0:detect_odr_violation=0:abort_on_error=1',
    UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1:abort_on_error=1',
  },
  // Python's export and compiled graphs are libtorch's own code, and take minutes here. The released addons are built by themselves.
  tests: ['--testPathIgnorePatterns', '/(export|compiled|release)\\.test'],
}

const THREADS = {
  build: 'build-sanitized-thread',
  sanitize: 'thread',
  libraries: ['libtsan.so'],
  environment: {
    // What Node and libtorch do among themselves is not looked at: their locks are seen, most of their accesses are not.
    TSAN_OPTIONS: [
      'ignore_noninstrumented_modules=1',
      'halt_on_error=1',
      'abort_on_error=1',
      `suppressions=${at('cpp/testing/thread-sanitizer.supp')}`,
    ].join(':'),
  },
  // A device's thread and queue, weights that come and go, and workers that end in the middle.
  tests: ['native/(device-thread|interrupts|paging|rebind|visits|weights-cache|libtorch)\\.test'],
}

async function main() {
  if (process.platform !== 'linux') throw new Error('Expected Linux: the sanitizers are preloaded there')
  const given = process.argv.slice(2)
  const kind = given.includes('--thread') ? THREADS : ADDRESSES
  await build(kind)
  const [command, ...args] = [
    ...steady(),
    process.execPath,
    '--expose-gc',
    at('node_modules/jest/bin/jest.js'),
  ]
  const chosen = given.filter((argument) => argument !== '--thread')
  // Patterns add up: files that are named are not beside all others of their kind.
  const named = chosen.some((argument) => argument.startsWith('native/'))
  const tests = named && kind === THREADS ? [] : kind.tests
  // A list of jest's takes all that follows it, up to the next option.
  args.push('--selectProjects', 'native', '--runInBand', ...tests, '--testTimeout=600000')
  process.exitCode = await run(command, [...args, ...chosen], {
    ...kind.environment,
    LD_PRELOAD: kind.libraries.map(pathOf).join(':'),
    WUERSTCHEN_ENGINE_BUILD: kind.build,
  })
}

async function build({ build: folder, sanitize }) {
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / COMPILER_BYTES)))
  const code = await run(process.execPath, [
    at('node_modules/cmake-js/bin/cmake-js'),
    ...['build', '-d', at('cpp'), '-O', at(folder), '-B', 'Release', '-p', `${jobs}`],
    `--CDLIBTORCH=${libtorch()}`,
    `--CDSANITIZE=${sanitize}`,
  ])
  if (code !== 0) throw new Error(`The build with sanitizers failed with exit code ${code}`)
  if (!existsSync(join(at(folder), 'Release', 'wuerstchen.node')))
    throw new Error(`Expected an addon in ${folder}`)
}

/** Addresses that are the same every time, where that may be had: the sanitizer of threads of GCC 12 to 13 wants them. */
function steady() {
  const command = ['setarch', arch() === 'x64' ? 'x86_64' : 'aarch64', '-R']
  return spawnSync(command[0], [...command.slice(1), 'true']).status === 0 ? command : []
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
