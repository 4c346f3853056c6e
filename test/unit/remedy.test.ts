import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { installRuntime } from '../../lib'
import { BUILDS } from '../../lib/libtorch/builds'
import { runtimeInstall } from '../../lib/libtorch/commands'
import type { LibtorchSource } from '../../lib/libtorch/find'
import { remedyFor } from '../../lib/libtorch/remedy'
import { sha256 } from '../support/loopback-hub'
import { wheelOf } from '../support/made-up-libtorch'
import { folderOf, removeFolders } from '../support/temporary-folder'

const environment = { ...process.env }
afterEach(() => {
  process.env = { ...environment }
  removeFolders()
})

const reason = 'it is damaged'

describe('remedyFor()', () => {
  it.each([
    [
      'package',
      /^Remove node_modules, and install again: npm install --include=optional wuerstchen@\d+\.\d+\.\d+$/,
    ],
    ['VIRTUAL_ENV', /: pip install --force-reinstall "torch==2\.13\.\*"$/],
    ['WUERSTCHEN_PYTHON', /: "\$WUERSTCHEN_PYTHON" -m pip install --force-reinstall "torch==2\.13\.\*"$/],
    ['checkout', /^Remove \.venv .*npm run bootstrap$/],
    ['LIBTORCH', /^Correct or remove LIBTORCH$/],
  ] satisfies [LibtorchSource, RegExp][])('of what %s named', (source, remedy) => {
    expect(remedyFor({ source, path: '/x', reason })).toMatch(remedy)
  })

  it('names a runtime as runtime remove takes it, also where its libraries are meant', async () => {
    const cache = folderOf({})
    process.env.WUERSTCHEN_CACHE = cache
    const wheel = wheelOf()
    const from = join(folderOf({ 'a.whl': wheel }), 'a.whl')
    const { runtime } = await installRuntime({ flavour: 'cpu', from, sha256: sha256(wheel) })
    const { name = '', folder = '' } = runtime ?? {}
    for (const path of [folder, join(folder, 'torch', 'lib')])
      expect(remedyFor({ source: 'runtime', path, reason })).toMatch(
        new RegExp(`^Run: npx wuerstchen runtime remove ${name} && .*npx wuerstchen runtime install cpu`),
      )
  })

  it('names the folder of a runtime that was unpacked by hand', () => {
    const cache = folderOf({})
    process.env.WUERSTCHEN_CACHE = cache
    const own = join(cache, 'libtorch', 'own')
    mkdirSync(join(own, 'lib'), { recursive: true })
    expect(remedyFor({ source: 'runtime', path: join(own, 'lib'), reason })).toBe(`Remove ${own}`)
  })

  it('of a library that the system brings is its package, whoever named the place', () => {
    const fault = { file: '/x/libtorch_cpu.so', reason, missing: 'libgomp.so.1' }
    for (const source of ['package', 'option', 'system'] as const)
      expect(remedyFor({ source, path: '/x', reason, fault })).toMatch(/apt-get install libgomp1$/)
    expect(
      remedyFor({ source: 'option', path: '/x', reason, fault: { ...fault, missing: 'libown.so' } }),
    ).toBe('Correct or remove the option libtorch')
  })
})

describe('runtimeInstall()', () => {
  it('has pip bring along what has no address', () => {
    const commands = BUILDS.map((build) => [`${build.target} ${build.flavour}`, runtimeInstall(build)])
    const plain = commands.filter(([, command]) => /^npx wuerstchen runtime install \w+$/.test(command ?? ''))
    expect(plain.map(([name]) => name)).toEqual([
      'linux-x64 cpu',
      'linux-arm64 cpu',
      'win32-x64 cu126',
      'win32-x64 cu130',
    ])
    for (const [, command] of commands.filter((one) => !plain.includes(one)))
      expect(command).toMatch(
        /^pip download torch==2\.13\.0 .* -d wheels && npx wuerstchen runtime install \w+ --from wheels$/,
      )
  })

  it('takes all of it from a mirror', () => {
    process.env.WUERSTCHEN_LIBTORCH_MIRROR = 'https://mirror.example/'
    for (const build of BUILDS)
      expect(runtimeInstall(build)).toBe(`npx wuerstchen runtime install ${build.flavour}`)
  })
})
