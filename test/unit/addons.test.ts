import { join } from 'node:path'
import { engineFor, findEngines, findLoader, reinstallation } from '../../lib/native/addons'
import { adviceFor, refuseUnsupportedPlatform } from '../../lib/native/platform'
import { folderOf, removeFolders } from '../support/temporary-folder'

const TARGET = `${process.platform}-${process.arch}`
afterAll(removeFolders)

describe('findEngines()', () => {
  it('takes those of the package first, the one for the newest libtorch before the others', () => {
    const engines = ['2.9', '2.14', '2.13'].map((minor) => `prebuilds/${TARGET}/torch-${minor}`)
    const root = folderOf({
      ...Object.fromEntries(engines.map((folder) => [`${folder}/wuerstchen.node`, ''])),
      ...Object.fromEntries(
        engines.map((folder) => [`${folder}/torch-version`, `${folder.split('-').pop()}.0\n`]),
      ),
      'build-cmake/Release/wuerstchen.node': '',
    })
    expect(findEngines(root).map(({ torch }) => torch)).toEqual(['2.14', '2.13', '2.9', null])
    expect(engineFor(findEngines(root), '2.13.0+cpu').path).toBe(
      join(root, 'prebuilds', TARGET, 'torch-2.13', 'wuerstchen.node'),
    )
    expect(engineFor(findEngines(root), null).torch).toBe('2.14')
  })

  it('finds what a source checkout has built', () => {
    const root = folderOf({ 'build-cmake/Release/wuerstchen.node': '', 'build/Release/loader.node': '' })
    expect(findEngines(root)).toEqual([
      { path: join(root, 'build-cmake/Release/wuerstchen.node'), torch: null },
    ])
    expect(findLoader(root)).toBe(join(root, 'build/Release/loader.node'))
  })

  it('tells a source checkout to build', () => {
    const find = () => findEngines(folderOf({ 'binding.gyp': '' }))
    expect(find).toThrow(expect.objectContaining({ code: 'ERR_WUERSTCHEN_ADDON_NOT_FOUND' }))
    expect(find).toThrow(/In this source checkout run: npm run build$/)
  })

  it('tells a source checkout to remove what is damaged, which a build takes for whole', () => {
    const root = folderOf({ 'binding.gyp': '' })
    expect(reinstallation('/x/loader.node', root)).toBe(
      'Remove /x/loader.node. In this source checkout run: npm run build',
    )
  })

  it('names the platforms of a package that lacks this one', () => {
    const find = () => findLoader(folderOf({ 'prebuilds/aix-ppc64/loader.node': '' }))
    expect(find).toThrow(expect.objectContaining({ code: 'ERR_WUERSTCHEN_UNSUPPORTED_PLATFORM' }))
    expect(find).toThrow(`for ${TARGET} but this package has binaries for aix-ppc64 only`)
  })

  it.each([{}, { [`prebuilds/${TARGET}/loader.node`]: '' }])(
    'tells an incomplete package to be installed again',
    (files) => {
      const find = () => findEngines(folderOf(files))
      expect(find).toThrow(expect.objectContaining({ code: 'ERR_WUERSTCHEN_ADDON_NOT_FOUND' }))
      expect(find).toThrow(
        /keep wuerstchen external to bundles\. Remove node_modules, and install again: npm install --include=optional wuerstchen@[\d.]+$/,
      )
    },
  )
})

describe('refuseUnsupportedPlatform()', () => {
  const machine = (family: 'glibc' | 'musl', version: string | null, node = '22.0.0') => ({
    platform: 'linux' as const,
    node,
    libc: { family, version },
  })

  it.each([
    [machine('musl', '1.2.5'), /musl 1\.2\.5.*Alpine.*node:22-slim, not node:22-alpine$/],
    [
      machine('glibc', '2.17'),
      /Expected glibc 2\.28 or newer but this system has glibc 2\.17\. Use Debian 10/,
    ],
    [
      machine('glibc', '2.36', '18.20.0'),
      /Expected Node 20\.18\.1 or newer but this system has Node 18\.20\.0/,
    ],
    [machine('glibc', '2.36', '20.9.0'), /Expected Node 20\.18\.1/],
  ])('refuses %j', (found, message) => {
    const refuse = () => refuseUnsupportedPlatform(found)
    expect(refuse).toThrow(message)
    expect(refuse).toThrow(
      expect.objectContaining({
        code: 'ERR_WUERSTCHEN_UNSUPPORTED_PLATFORM',
        // What doctor says.
        details: expect.objectContaining({ advice: expect.stringMatching(/image|Install a newer Node/) }),
      }),
    )
  })

  it.each([
    machine('glibc', '2.28'),
    machine('glibc', '2.100'),
    machine('glibc', null),
    machine('glibc', '3.0', '26.0.0'),
    { platform: 'darwin' as const, node: '20.18.1', libc: null },
  ])('takes %j', (found) => {
    expect(() => refuseUnsupportedPlatform(found)).not.toThrow()
  })
})

describe('adviceFor()', () => {
  it.each([
    [
      "/lib/libc.so.6: version `GLIBC_2.34' not found (required by x.node)",
      /C library .* older than GLIBC_2\.34/,
    ],
    [
      "libstdc++.so.6: version `GLIBCXX_3.4.30' not found",
      /libstdc\+\+ of this system is older than GLIBCXX_3\.4\.30/,
    ],
    ['x.node: invalid ELF header', /copy from another machine.*\. Bring it again$/],
    ['x.node: wrong ELF class: ELFCLASS32', /Bring it again$/],
    ['\\\\?\\C:\\x.node is not a valid Win32 application.', /Bring it again$/],
    ['libc10.so: cannot open shared object file: No such file', /^$/],
    ['libgomp.so.1: cannot open shared object file: No such file', /apt-get install libgomp1$/],
    ['ERR_DLOPEN_DISABLED: Cannot load native addon because loading addons is disabled.', /--no-addons$/],
  ])('knows what mends %s', (message, advice) => {
    expect(adviceFor(message, 'Bring it again')).toMatch(advice)
  })

  it('says nothing of what it does not know', () => {
    expect(adviceFor('Module did not self-register', 'Bring it again')).toBe('')
  })
})
