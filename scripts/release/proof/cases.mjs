/** Installations that are not plain: each is one step of release:check, with npm and this Node unless it says otherwise. */
import { chmodSync, chownSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { THIS_TARGET } from '../places.mjs'
import { furtherEnvironment, wheelOf } from '../wheels.mjs'
import { bareMachine } from './machine.mjs'
import { generateArguments, pictureOf, writePrograms } from './pictures.mjs'
import { expectPicture, installed, pixelsOf } from './prove.mjs'

// Any user without rights: root may write where the rights say nobody may.
const NOBODY = 65534

// sharp's own binaries are optional dependencies too: whoever wants PNG files names them.
const SHARP = ['@img/sharp-linux-x64', '@img/sharp-libvips-linux-x64']
const WITHOUT_LIBTORCH = ['npm', 'install', '--omit=optional', 'wuerstchen', ...SHARP]

export const CASES = {
  'a worker thread': (context) => picture(context, 'worker.mjs'),

  'a path with spaces and letters beyond ASCII': (context) =>
    picture(context, 'import.mjs', { at: 'Mein Ordner – Würstchen 画像' }),

  'node_modules that cannot be written': (context) =>
    withApp(context, {}, async (app) => {
      app.machine.share()
      await app.machine.run(app.folder, ['node', 'require.cjs'], {}, identity(app.folder))
      expectPicture(join(app.folder, 'require.png'), context.reference)
    }),

  'two versions of the package in one process': (context) =>
    withApp(
      context,
      { packages: ['wuerstchen', `second@npm:wuerstchen@${context.secondVersion}`] },
      async (app) => {
        const both = readFileSync(join(app.folder, 'import.mjs'), 'utf8')
        const program = both.replace("'wuerstchen'", "'second'").replace('import.png', 'second.png')
        writeFileSync(join(app.folder, 'second.mjs'), program)
        writeFileSync(
          join(app.folder, 'both.mjs'),
          "await import('./import.mjs')\nawait import('./second.mjs')\n",
        )
        await app.run(['node', 'both.mjs'])
        expectPicture(join(app.folder, 'import.png'), context.reference)
        const second = pixelsOf(readFileSync(join(app.folder, 'second.png')))
        if (!second.equals(pixelsOf(context.reference)))
          throw new Error('Expected the second version to make the same pixels')
      },
    ),

  'a bundle by esbuild': (context) =>
    bundled(context, ({ tools, folder, entry, output }) => [
      join(tools, '@esbuild', 'linux-x64', 'bin', 'esbuild'),
      ...[entry, '--bundle', '--platform=node', '--format=esm', '--external:wuerstchen'],
      ...[`--outfile=${join(folder, output)}`, '--log-level=warning'],
    ]),

  'a bundle by rollup': (context) =>
    bundled(context, ({ tools, folder, entry, output }) => [
      ...['node', join(tools, 'rollup', 'dist', 'bin', 'rollup'), entry, '--external', 'wuerstchen'],
      ...['--format', 'es', '--file', join(folder, output), '--silent'],
    ]),

  'npm ci from a lock file of another platform': (context) =>
    withProject(context, async (machine, folder) => {
      const lock = ['npm', 'install', '--package-lock-only', '--os=darwin', '--cpu=arm64', 'wuerstchen']
      await machine.run(folder, lock)
      await machine.run(folder, ['npm', 'ci'])
      await machine.run(folder, ['node', 'require.cjs'])
      expectPicture(join(folder, 'require.png'), context.reference)
    }),

  'node_modules of another platform: the advice mends it': (context) =>
    mended(
      context,
      ['npm', 'install', '--os=darwin', '--cpu=arm64', 'wuerstchen'],
      /libtorch-darwin-arm64 is: /,
    ),

  'without optional dependencies: wuerstchen runtime install --from FILE': (context) =>
    withProject(context, async (machine, folder) => {
      await machine.run(folder, WITHOUT_LIBTORCH)
      const from = ['--from', await wheelOf(THIS_TARGET), '--quiet']
      await machine.run(folder, ['npx', 'wuerstchen', 'runtime', 'install', 'cpu', ...from])
      await machine.run(folder, ['npx', 'wuerstchen', ...generateArguments('installed.png')])
      expectPicture(join(folder, 'installed.png'), context.reference)
    }),

  'a newer PyTorch that is installed already': (context) =>
    withProject(context, async (machine, folder) => {
      await machine.run(folder, WITHOUT_LIBTORCH)
      const environment = { VIRTUAL_ENV: await furtherEnvironment() }
      const generate = ['npx', 'wuerstchen', ...generateArguments('newer.png')]
      await machine.run(folder, generate, environment)
      expectPicture(join(folder, 'newer.png'), context.reference)
    }),

  'without optional dependencies: the advice mends it': (context) =>
    mended(
      context,
      ['npm', 'install', '--omit=optional', 'wuerstchen'],
      /optional dependencies were left out/,
    ),
}

async function withApp(context, options, use) {
  const { client, registry, tools, node } = context
  const app = await installed({ client, registry, tools, node, ...options })
  try {
    return await use(app)
  } finally {
    app.machine.remove()
  }
}

/** A project in which nothing is installed yet. */
async function withProject({ client, registry, tools, node }, use) {
  const machine = bareMachine({ registry, node, programs: client.programs(tools) })
  try {
    const folder = machine.folder('app')
    writeFileSync(join(folder, 'package.json'), '{ "name": "app", "private": true }\n')
    writePrograms(folder)
    return await use(machine, folder)
  } finally {
    machine.remove()
  }
}

function picture(context, program, options = {}) {
  return withApp(context, options, async (app) => {
    await app.run(context.client.node(program))
    expectPicture(join(app.folder, pictureOf(program)), context.reference)
  })
}

function bundled(context, commandOf) {
  return withApp(context, {}, async (app) => {
    const { tools } = context
    await app.run(commandOf({ tools, folder: app.folder, entry: 'import.mjs', output: 'bundle.mjs' }))
    await app.run(['node', 'bundle.mjs'])
    expectPicture(join(app.folder, 'import.png'), context.reference)
  })
}

/** An installation that lacks libtorch, whose error names the cause and a command; after that command all is well. */
function mended(context, install, cause) {
  return withProject(context, async (machine, folder) => {
    await machine.run(folder, install)
    const said = await machine.run(folder, ['node', 'require.cjs']).then(
      () => 'it made a picture',
      (error) => error.output,
    )
    const command = /Run: (npm install --include=optional \S+)/.exec(said)?.[1]
    if (!cause.test(said) || command === undefined)
      throw new Error(`Expected ${cause} and a command but received:\n${said}`)
    await machine.run(folder, command.split(' '))
    await machine.run(folder, ['npx', 'wuerstchen', ...generateArguments('mended.png')])
    expectPicture(join(folder, 'mended.png'), context.reference)
  })
}

/** The user to run as, so that node_modules is out of reach of writing; the project itself is that user's. */
function identity(folder) {
  if (process.getuid() !== 0) {
    chmodSync(join(folder, 'node_modules'), 0o555)
    return {}
  }
  chownSync(folder, NOBODY, NOBODY)
  return { uid: NOBODY, gid: NOBODY }
}
