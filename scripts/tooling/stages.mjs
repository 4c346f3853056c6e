/** What a checkout needs before it can run, as a table: each stage knows whether it is up to date and how to make it so. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, freemem } from 'node:os'
import { dirname, join } from 'node:path'
import { packagesMatch, versionIn } from './packages.mjs'
import {
  at,
  chosenLibtorch,
  cudaHeaders,
  ENGINE,
  ENGINE_BUILD,
  LOADER,
  libtorch,
  libtorchVersion,
  ROOT,
} from './places.mjs'
import { installRequirements, installTorch, requirementsAreInstalled, torchIsInstalled } from './python.mjs'
import { dropStamp, hashOf, readStamp, writeStamp } from './stamps.mjs'

// One compiler on a file that includes libtorch's headers.
const COMPILER_BYTES = 2.5 * 2 ** 30

/**
 * `needs`: stages that must be up to date first. `isFresh`: whether there is nothing to do; asked again under the lock.
 * `make`: does it, through `run(command, args, env)`.
 */
export const STAGES = {
  node: {
    does: 'installing the Node packages (npm ci)',
    needs: [],
    isFresh: () => packagesMatch(ROOT),
    make: (run) => run('npm', ['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund']),
  },
  torch: {
    does: 'installing libtorch (the CPU wheel of torch) into .venv',
    needs: [],
    isFresh: torchIsInstalled,
    make: installTorch,
  },
  python: {
    does: 'installing the Python packages for tests and export into .venv',
    needs: ['torch'],
    isFresh: requirementsAreInstalled,
    make: installRequirements,
  },
  loader: stamped('loader', {
    does: 'compiling the loader addon (node-gyp)',
    needs: ['node'],
    output: LOADER,
    from: () =>
      hashOf(['binding.gyp', 'cpp/loader', 'cpp/platform'], [versionOf('node-addon-api'), ...platform]),
    make: (run) =>
      run(process.execPath, [at('node_modules/node-gyp/bin/node-gyp.js'), 'rebuild'], nodeHeaders()),
  }),
  engine: stamped('engine', {
    does: 'compiling the engine addon against libtorch (cmake-js; takes minutes)',
    needs: chosenLibtorch() ? ['node'] : ['node', 'torch'],
    output: ENGINE,
    from: () =>
      hashOf(
        ['cpp'],
        [
          libtorch(),
          libtorchVersion(libtorch()),
          cudaHeaders() ?? 'no CUDA',
          versionOf('node-addon-api'),
          ROOT,
          ...platform,
        ],
      ),
    make: compileEngine,
  }),
  ts: stamped('ts', {
    does: 'compiling the TypeScript (tsc)',
    needs: ['node'],
    output: at('dist/index.js'),
    from: () => hashOf(['lib', 'tsconfig.json', 'package.json', 'package-lock.json']),
    make: async (run) => {
      emptyDistButForThePage()
      await run(process.execPath, [at('node_modules/typescript/bin/tsc'), '-p', ROOT])
    },
  }),
  web: stamped('web', {
    does: 'building the web page (vite)',
    needs: ['node'],
    output: at('dist/web/index.html'),
    from: () => hashOf(['web', 'package-lock.json']),
    make: (run) => run(process.execPath, [at('node_modules/vite/bin/vite.js'), 'build', at('web')]),
  }),
}

/** Names that stand for several stages. */
export const GROUPS = { native: ['loader', 'engine'] }

const platform = [process.platform, process.arch]

/** A stage that is fresh while its output is there and its inputs are those of its stamp. */
function stamped(name, { does, needs, output, from, make }) {
  return {
    does,
    needs,
    isFresh: () => {
      const stamp = readStamp(name)
      return (
        stamp !== null &&
        existsSync(output) &&
        needs.every((need) => STAGES[need].isFresh()) &&
        stamp === from()
      )
    },
    make: async (run) => {
      const hash = from() // before: what is edited meanwhile is compiled again next time
      dropStamp(name)
      await make(run)
      if (!existsSync(output)) throw new Error(`Expected the build to leave ${output} but it did not`)
      writeStamp(name, hash)
    },
  }
}

/** Files that no source has any more must go. dist/web is another stage's, which may be at work meanwhile. */
function emptyDistButForThePage() {
  if (!existsSync(at('dist'))) return
  for (const name of readdirSync(at('dist')))
    if (name !== 'web') rmSync(at('dist', name), { recursive: true, force: true })
}

async function compileEngine(run) {
  forgetBuildOfAnotherFolder()
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(freemem() / COMPILER_BYTES)))
  await run(process.execPath, [
    at('node_modules/cmake-js/bin/cmake-js'),
    'build',
    ...['-d', at('cpp'), '-O', ENGINE_BUILD, '-B', 'Release', '-p', `${jobs}`],
    `--CDLIBTORCH=${libtorch()}`,
    `--CDCUDA_HEADERS=${cudaHeaders() ?? ''}`,
  ])
}

/** CMake refuses a build folder that was configured for a checkout elsewhere; other headers need a fresh one too. */
function forgetBuildOfAnotherFolder() {
  const cache = join(ENGINE_BUILD, 'CMakeCache.txt')
  if (!existsSync(cache)) return
  const lines = readFileSync(cache, 'utf8').split('\n')
  const value = (name) =>
    lines
      .find((line) => line.startsWith(`${name}:`))
      ?.split('=')
      .slice(1)
      .join('=')
  const same =
    value('CMAKE_HOME_DIRECTORY') === at('cpp') &&
    value('LIBTORCH') === libtorch() &&
    value('CUDA_HEADERS') === (cudaHeaders() ?? '')
  if (!same) rmSync(ENGINE_BUILD, { recursive: true, force: true })
}

/** node-gyp then takes the headers that came with this Node rather than downloading them. */
function nodeHeaders() {
  const prefix = dirname(dirname(process.execPath))
  const there = existsSync(join(prefix, 'include', 'node', 'node_api.h'))
  return there ? { npm_package_config_node_gyp_nodedir: prefix } : {}
}

const versionOf = (name) => versionIn(at('node_modules', name)) ?? 'none'
