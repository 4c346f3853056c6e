/** How each package manager is set up, installs a package, and runs what it installed. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * `programs(tools)`: what it needs on PATH. `setUp(folder, registry)`: its files. `add(name)`, `exec(args)`, `node(file)`:
 * commands. `variables`: beside the machine's own.
 */
const npm = (folder) => ({
  programs: (tools) => ({
    npm: join(folder(tools), 'bin', 'npm-cli.js'),
    npx: join(folder(tools), 'bin', 'npx-cli.js'),
  }),
  setUp: () => {},
  add: (...names) => ['npm', 'install', ...names],
  exec: (...args) => ['npx', 'wuerstchen', ...args],
  node: (file) => ['node', file],
})

const yarn = (linker) => ({
  programs: (tools) => ({ yarn: join(tools, '@yarnpkg', 'cli-dist', 'bin', 'yarn.js') }),
  setUp: (folder, registry) => {
    const lines = [
      `nodeLinker: ${linker}`,
      `npmRegistryServer: ${registry}`,
      'unsafeHttpWhitelist: ["127.0.0.1"]',
      'enableScripts: false',
      'enableTelemetry: false',
      'npmMinimalAgeGate: 0',
    ]
    writeFileSync(join(folder, '.yarnrc.yml'), `${lines.join('\n')}\n`)
    writeFileSync(join(folder, 'yarn.lock'), '')
  },
  add: (...names) => ['yarn', 'add', ...names],
  exec: (...args) => ['yarn', 'run', 'wuerstchen', ...args],
  node: (file) => ['yarn', 'node', file],
})

export const CLIENTS = {
  'npm 11': npm((tools) => join(tools, 'npm-11')),
  'npm 12': npm((tools) => join(tools, 'npm-12')),
  pnpm: {
    programs: (tools) => ({ pnpm: join(tools, '@pnpm', 'exe.linux-x64', 'pnpm') }),
    setUp: (folder, registry) => {
      // Packages that were published a minute ago are refused otherwise.
      writeFileSync(join(folder, 'pnpm-workspace.yaml'), `registry: ${registry}\nminimumReleaseAge: 0\n`)
      writeFileSync(join(folder, '.npmrc'), `registry=${registry}\n`)
    },
    add: (...names) => ['pnpm', 'add', ...names],
    exec: (...args) => ['pnpm', 'exec', 'wuerstchen', ...args],
    node: (file) => ['node', file],
  },
  'yarn (node-modules)': yarn('node-modules'),
  'yarn (PnP)': yarn('pnp'),
  bun: {
    programs: (tools) => ({ bun: join(tools, '@oven', 'bun-linux-x64', 'bin', 'bun') }),
    setUp: (folder, registry) =>
      writeFileSync(join(folder, 'bunfig.toml'), `[install]\nregistry = "${registry}"\n`),
    add: (...names) => ['bun', 'add', ...names],
    exec: (...args) => ['bun', 'x', 'wuerstchen', ...args],
    node: (file) => ['node', file],
  },
  deno: {
    programs: (tools) => ({ deno: join(tools, '@deno', 'linux-x64-glibc', 'deno') }),
    setUp: (folder) => writeFileSync(join(folder, 'deno.json'), '{ "nodeModulesDir": "auto" }\n'),
    add: (...names) => ['deno', 'add', '--minimum-dependency-age=0', ...names.map((name) => `npm:${name}`)],
    exec: (...args) => ['deno', 'run', '--allow-all', 'npm:wuerstchen', ...args],
    node: (file) => ['deno', 'run', '--allow-all', file],
  },
}

/** npm as it came with the Node that runs this. */
export const ownNpm = (file) => npm(() => join(file, '..', '..'))
