/** Archives that lie on the disk already, and archives that are no libtorch. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { install } from '../../lib/libtorch/install'
import { libraryName } from '../../lib/libtorch/libraries'
import { runtimesIn, TARGET } from '../../lib/libtorch/runtimes'
import { FileServer } from '../support/file-server'
import {
  CPU,
  filesIn,
  fileWith,
  folder,
  jobWith,
  LARGE,
  refusal,
  SMALL,
  server,
  small,
  useServer,
} from '../support/installations'
import { copiedLibtorch, replace } from '../support/libraries'
import { sha256 } from '../support/loopback-hub'
import { buildOf, wheelOf } from '../support/made-up-libtorch'
import { folderOf } from '../support/temporary-folder'
import { zipOf } from '../support/zip'

useServer()

describe('an archive that somebody brought along', () => {
  it('is taken as it is', async () => {
    const from = fileWith(SMALL, 'small.whl')
    expect((await install(jobWith({ builds: small(), from }))).state).toBe('installed')
    expect(server.seen).toEqual([])
    expect(readFileSync(from).equals(SMALL)).toBe(true)
  })

  it('is refused when it is another one', async () => {
    const other = wheelOf('2.13.1+cpu')
    const from = fileWith(other)
    const error = await refusal(install(jobWith({ builds: small(), from })))
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_RUNTIME_INVALID',
      details: { file: from, expected: sha256(SMALL), received: sha256(other) },
    })
    expect(filesIn(folder)).toEqual([])
  })

  it('is no address but of http', async () => {
    for (const from of ['ftp://host/torch.whl', 's3://bucket/torch.whl'])
      expect(await refusal(install(jobWith({ builds: small(), from })))).toMatchObject({
        code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT',
        message: expect.stringContaining('a file, a folder or an http(s) address'),
      })
  })

  it('is taken when its hash is given, and names its flavour', async () => {
    const own = wheelOf('2.13.1+cu126')
    const job = jobWith({ builds: [], flavour: undefined, from: fileWith(own), sha256: sha256(own) })
    expect((await install(job)).runtime).toMatchObject({ name: `2.13.1-cu126-${TARGET}`, flavour: 'cu126' })
    // Again: it replaces itself.
    expect((await install(job)).state).toBe('installed')
    expect(runtimesIn(folder)).toHaveLength(1)
  })

  it.each([
    ['cpu', '2.13.1+cu130', /but it is cu130, not cpu\. Nothing was installed$/],
    ['cu126', '2.13.1+cu130', /but it is cu130, not cu126\. Nothing was installed$/],
    ['cu130', '2.13.1+cu128', /but it is cu128, not cu130\. Nothing was installed$/],
    ['cu130', '2.13.1', /but it is cpu, not cu130\. Nothing was installed$/],
  ] as const)('is refused as %s when it is %s', async (flavour, version, message) => {
    const own = wheelOf(version)
    const job = jobWith({ builds: [], flavour, from: fileWith(own), sha256: sha256(own) })
    const error = await refusal(install(job))
    expect(error).toMatchObject({
      code: 'ERR_WUERSTCHEN_RUNTIME_INVALID',
      message: expect.stringMatching(message),
    })
    expect(filesIn(folder)).toEqual([])
  })

  it('is refused as cpu when it has a half for GPUs, whatever its version says', async () => {
    const cuda = { name: `torch/lib/${libraryName('torch_cuda')}`, bytes: Buffer.from('cuda') }
    for (const version of ['2.13.1', '2.13.1+cpu', '2.13.1+cu999']) {
      const own = wheelOf(version, undefined, [cuda])
      const job = jobWith({ builds: [], from: fileWith(own), sha256: sha256(own) })
      expect((await refusal(install(job))).message).toMatch(
        /but it is (for CUDA|cu999), not cpu\. Nothing was installed$/,
      )
    }
    expect(filesIn(folder)).toEqual([])
  })

  // Only Linux has ELF files.
  const onLinux = process.platform === 'linux' ? it : it.skip

  onLinux('is refused when it lacks a library that it needs, and this system does, too', async () => {
    const lacking = copiedLibtorch(replace('c10', 'libgcc_s.so.1\0', 'libcusparse.1\0'))
    const own = wheelOf('2.13.1+cpu', undefined, [], {
      [libraryName('c10')]: readFileSync(join(lacking, 'lib', libraryName('c10'))),
    })
    const job = jobWith({ builds: [], from: fileWith(own), sha256: sha256(own) })
    expect(await refusal(install(job))).toMatchObject({
      code: 'ERR_WUERSTCHEN_RUNTIME_INVALID',
      message: expect.stringMatching(
        /but it cannot be used: libc10\.so needs libcusparse\.1, which this system lacks\. Nothing was installed$/,
      ),
    })
    expect(filesIn(folder)).toEqual([])
  })

  it('may be the zip of libtorch', async () => {
    const zip = zipOf([
      { name: 'libtorch/build-version', bytes: Buffer.from('2.13.0+cpu\n') },
      { name: `libtorch/lib/${CPU}`, bytes: Buffer.from('library') },
      { name: 'libtorch/include/torch.h', bytes: Buffer.from('header') },
    ])
    const job = jobWith({ builds: [], from: fileWith(zip, 'libtorch.zip'), sha256: sha256(zip) })
    const { runtime } = await install(job)
    expect(filesIn(runtime?.folder ?? '')).toEqual(['build-version', `lib/${CPU}`, 'runtime.json'])
  })

  it('may be in several files, which a folder or an address has under their names', async () => {
    const cublas = zipOf([{ name: 'nvidia/cu13/lib/libcublas.so.13', bytes: Buffer.from('cublas') }])
    const files = { '/torch.whl': wheelOf('2.13.0+cu130'), '/nvidia.whl': cublas }
    const builds = [buildOf('https://nowhere.invalid/a', files, 'cu130')]
    const job = jobWith({ builds, flavour: 'cu130' })
    const brought = folderOf({ 'torch.whl': files['/torch.whl'], 'nvidia.whl': cublas })
    const { runtime } = await install({ ...job, from: brought })
    expect(filesIn(runtime?.folder ?? '')).toContain('nvidia/cu13/lib/libcublas.so.13')
    const mirror = await FileServer.start({ '/m/torch.whl': files['/torch.whl'], '/m/nvidia.whl': cublas })
    try {
      for (const place of [{ from: `${mirror.endpoint}/m/` }, { mirror: `${mirror.endpoint}/m` }]) {
        const other = join(folderOf({}), 'other')
        expect((await install({ ...job, ...place, folder: other })).state).toBe('installed')
      }
    } finally {
      await mirror.stop()
    }
    const single = await refusal(install({ ...job, folder: folderOf({}), from: join(brought, 'torch.whl') }))
    expect(single.message).toMatch(
      /^Expected from to be a folder, or an address that ends with \/, with all 2 archives/,
    )
  })

  it('is asked for with the name and the password of its address, which no message shows', async () => {
    const mirror = server.endpoint.replace('//', '//me:secret@')
    server.fail('/small.whl', { status: 404 })
    const failed = await refusal(install(jobWith({ builds: small(), mirror })))
    expect(failed.message).not.toContain('secret')
    const { archives } = await install(jobWith({ builds: small(), mirror }))
    expect(archives[0]?.from).toBe(`${server.endpoint}/small.whl`)
    expect(server.seen.at(-1)?.authorization).toBe(`Basic ${Buffer.from('me:secret').toString('base64')}`)
  })
})

describe('an archive that is no libtorch', () => {
  const link = { name: `torch/lib/${libraryName('c10')}`, bytes: Buffer.from('/etc/passwd'), mode: 0o120777 }
  const file = (name: string) => ({ name, bytes: Buffer.from('x') })
  const cases: readonly (readonly [string, Buffer, RegExp])[] = [
    [
      'climbs out of its folder',
      wheelOf('2.13.0', undefined, [file('torch/lib/../../../x.so')]),
      /invalid relative path/,
    ],
    ['names an absolute path', wheelOf('2.13.0', undefined, [file('/x.so')]), /absolute path/],
    ['has backslashes', wheelOf('2.13.0', undefined, [file('torch\\lib\\x.so')]), /invalid characters/],
    ['has a link', zipOf([link]), /is a link/],
    ['has a file twice', wheelOf('2.13.0', undefined, [file(`torch/lib/${CPU}`)]), /is in it twice/],
    ['is cut', SMALL.subarray(0, SMALL.length - 30), /but .*(central directory|zip)/i],
    ['is no zip', Buffer.from('<html>no such file</html>'.repeat(20)), /but .*(central directory|zip)/i],
    ['has no libraries', zipOf([file('torch/version.py')]), new RegExp(`no ${CPU} in it`)],
    ['has another version', wheelOf('2.12.0'), /it is version 2\.12\.0, but 2\.13 is needed/],
    ['says no version', zipOf([file(`torch/lib/${CPU}`)]), /its version is unknown/],
  ]

  it.each(cases)('%s', async (_, bytes, message) => {
    const from = join(folderOf({}), 'archive.whl')
    writeFileSync(from, bytes)
    const error = await refusal(install(jobWith({ builds: [], from, sha256: sha256(bytes) })))
    expect(error.code).toBe('ERR_WUERSTCHEN_RUNTIME_INVALID')
    expect(error.message).toMatch(message)
    expect(filesIn(folder)).toEqual([])
  })

  it('has damaged data behind a hash that somebody vouched for', async () => {
    const bytes = Buffer.from(LARGE)
    const at = bytes.indexOf('c10', LARGE.length - 2000) // a deflated file's data comes before its directory
    bytes.fill(0xff, at - 40, at - 36)
    const from = join(folderOf({}), 'archive.whl')
    writeFileSync(from, bytes)
    const error = await refusal(install(jobWith({ builds: [], from, sha256: sha256(bytes) })))
    expect(error.code).toBe('ERR_WUERSTCHEN_RUNTIME_INVALID')
    expect(runtimesIn(folder)).toEqual([])
  })
})
