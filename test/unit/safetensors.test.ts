import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { ModelError } from '../../lib/errors'
import { readHeader, readShardIndex } from '../../lib/model/safetensors'
import { safetensorsOf, weightsOf } from '../support/safetensors'
import { folderOf, removeFolders } from '../support/temporary-folder'

afterAll(removeFolders)

const fileOf = (content: Uint8Array | string) => join(folderOf({ 'x.safetensors': content }), 'x.safetensors')
const tensor = (
  begin: number,
  end: number,
  shape: unknown = [(end - begin) / 4],
  dtype: unknown = 'F32',
) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
})

describe('readHeader()', () => {
  it('says where each tensor lies, in bytes from the start of the file', async () => {
    const header = {
      __metadata__: { format: 'pt' },
      b: { dtype: 'BF16', shape: [2, 3], data_offsets: [8, 20] },
      a: { dtype: 'I64', shape: [], data_offsets: [0, 8] },
      empty: { dtype: 'F32', shape: [0, 5], data_offsets: [8, 8] },
    }
    const file = fileOf(safetensorsOf(header, 12 + 8))
    const start = 8 + JSON.stringify(header).length
    const read = await readHeader(file)
    expect(read.file).toBe(file)
    expect(read.metadata).toEqual({ format: 'pt' })
    expect(Object.fromEntries(read.tensors)).toEqual({
      a: { dtype: 'I64', shape: [], offset: start, bytes: 8 },
      b: { dtype: 'BF16', shape: [2, 3], offset: start + 8, bytes: 12 },
      empty: { dtype: 'F32', shape: [0, 5], offset: start + 8, bytes: 0 },
    })
  })

  it('reads names that are odd, and a header padded with spaces', async () => {
    const text = `${JSON.stringify({ 'a":"b\\': tensor(0, 4), 'ü\u2028 : ': tensor(4, 8) })}     `.replace(
      '{',
      '{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},',
    )
    const { tensors } = await readHeader(fileOf(safetensorsOf(text, 12)))
    expect(Array.from(tensors.keys()).sort()).toEqual(['__proto__', 'a":"b\\', 'ü\u2028 : '])
  })

  it.each([0x0280, 0x8b1f])('takes a header of %d bytes, which begins as other files do', async (length) => {
    const entries = { __metadata__: { pad: '' }, a: tensor(0, 4) }
    entries.__metadata__.pad = 'x'.repeat(length - JSON.stringify(entries).length)
    expect((await readHeader(fileOf(safetensorsOf(entries, 4)))).tensors.size).toBe(1)
  })

  it('accepts a file without tensors', async () => {
    expect((await readHeader(fileOf(safetensorsOf({}, 0)))).tensors.size).toBe(0)
  })

  const huge = Buffer.alloc(16)
  huge.writeBigUInt64LE(2n ** 63n)
  const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`

  it.each<[string, Uint8Array | string, RegExp]>([
    ['an empty file', '', /ends at 0/],
    ['seven bytes', Buffer.alloc(7), /Expected 8 bytes but the file ends at 7/],
    ['a header longer than the file', huge, /at most 8 bytes but its length says 922337203685477\d+/],
    [
      'a git-lfs pointer',
      'version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 130\n',
      /it is a git-lfs pointer, not the file itself: run 'git lfs pull'/,
    ],
    ['what a server says', 'Entry not found', /it is text that begins 'Entry not found': download/],
    ['the same in JSON', '{"error":"Repository not found"}', /it is text that begins '\{"error":/],
    ['a tar archive', `model.safetensors${'\0'.repeat(600)}`, /text that begins 'model\.safetensors'/],
    ['a file of zstd', Buffer.from('28b52ffd00000000000000000000', 'hex'), /compressed by zstd/],
    ['a file of xz', Buffer.from('\xfd7zXZ\0\0\0\0\0\0', 'latin1'), /compressed by xz/],
    ['a file of Keras', Buffer.from('\x89HDF\r\n\x1a\n\0\0\0', 'latin1'), /it is an HDF5 file/],
    ['a picture', Buffer.from('\x89PNG\r\n\x1a\n\0\0\0', 'latin1'), /it is a picture/],
    [
      'some other file',
      Buffer.from('00ff00ff00ff00ff00ff', 'hex'),
      /says \d+: the file is no safetensors file/,
    ],
    ['a file that is cut off', weightsOf({ a: [40] }).subarray(0, 40), /says \d+: the file is cut off/],
    ['a web page', '<!DOCTYPE html><html><head><title>Sign in</title>', /it is a web page/],
    ['a gzip file', gzipSync(safetensorsOf({ a: tensor(0, 4) }, 4)), /it is compressed by gzip/],
    [
      'a file of torch.save()',
      Buffer.from('PK\x03\x04 archive/data.pkl'),
      /it is a zip file.*"Pickled files"/,
    ],
    [
      'an old file of torch.save()',
      Buffer.from('800280028a0a6cfc9c46f9206aa8', 'hex'),
      /it is a pickle.*may hold code/,
    ],
    [
      'metadata that nests',
      safetensorsOf({ __metadata__: { format: 'pt', notes: { a: 'b' } }, a: tensor(0, 4) }, 4),
      /Expected __metadata__\.notes to be a string but found an object/,
    ],
    ['a header of no bytes', safetensorsOf('', 0), /JSON/],
    ['a header that is no JSON', safetensorsOf('{"a":', 0), /JSON/],
    ['a header that is a list', safetensorsOf('[]', 0), /header to be an object/],
    ['a header after white space', safetensorsOf(' {}', 0), /header to be an object/],
    [
      'a header that is not UTF-8',
      Buffer.concat([safetensorsOf('"', 0).subarray(0, 8), Buffer.from([0xff])]),
      /UTF-8/,
    ],
    ['a header of deep nesting', safetensorsOf(deep, 0), /tensor 'a'/],
    [
      'a name twice',
      safetensorsOf('{"a":null,"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', 4),
      /no key twice/,
    ],
    [
      'a field twice',
      safetensorsOf('{"a":{"dtype":"F32","dtype":"I32","shape":[],"data_offsets":[0,4]}}', 4),
      /no key twice/,
    ],
    ['metadata of numbers', safetensorsOf({ __metadata__: { a: 1 } }, 0), /__metadata__/],
    ['metadata that is null', safetensorsOf({ __metadata__: null }, 0), /__metadata__/],
    ['a tensor that is null', safetensorsOf({ a: null }, 0), /tensor 'a': Expected an object but found null/],
    ['a tensor with another field', safetensorsOf({ a: { ...tensor(0, 4), x: 1 } }, 4), /tensor 'a'.*only/],
    ['an unknown dtype', safetensorsOf({ a: tensor(0, 4, [1], 'F31') }, 4), /known dtype but found 'F31'/],
    ['a dtype from the prototype', safetensorsOf({ a: tensor(0, 4, [1], 'toString') }, 4), /known dtype/],
    ['a shape of fractions', safetensorsOf({ a: tensor(0, 4, [0.5, 2]) }, 4), /shape to be a list of sizes/],
    ['a negative shape', safetensorsOf({ a: tensor(0, 4, [-1, -1]) }, 4), /shape to be a list of sizes/],
    [
      'a shape that overflows',
      safetensorsOf({ a: tensor(0, 4, [2 ** 40, 2 ** 40]) }, 4),
      /data_offsets of \d/,
    ],
    ['one offset', safetensorsOf({ a: { ...tensor(0, 4), data_offsets: [4] } }, 4), /two sizes/],
    ['negative offsets', safetensorsOf({ a: tensor(-4, 0) }, 4), /two sizes/],
    [
      'fewer bytes than the shape needs',
      safetensorsOf({ a: tensor(0, 4, [2]) }, 4),
      /of 8 bytes for F32 \[2\]/,
    ],
    ['offsets in reverse', safetensorsOf({ a: tensor(4, 0, [1]) }, 4), /of 4 bytes/],
    ['data beyond the file', safetensorsOf({ a: tensor(0, 8) }, 4), /bytes but the file has/],
    ['data that nothing names', safetensorsOf({ a: tensor(0, 4) }, 8), /bytes but the file has/],
    [
      'a hole',
      safetensorsOf({ a: tensor(0, 4), b: tensor(8, 12) }, 12),
      /tensor 'b': Expected its data to start/,
    ],
    [
      'an overlap',
      safetensorsOf({ a: tensor(0, 8), b: tensor(4, 12) }, 12),
      /tensor 'b': Expected its data to start/,
    ],
    ['two names for one place', safetensorsOf({ a: tensor(0, 4), b: tensor(0, 4) }, 4), /tensor '[ab]'/],
  ])('refuses %s', async (_, content, message) => {
    const file = fileOf(content)
    const rejection = expect(readHeader(file)).rejects
    await rejection.toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
      message: expect.stringMatching(message),
    })
    await rejection.toHaveProperty('message', expect.stringContaining(file))
  })

  it('refuses a file that is not there, and a folder', async () => {
    const code = 'ERR_WUERSTCHEN_WEIGHTS_INVALID'
    const folder = folderOf({})
    await expect(readHeader(join(folder, 'none'))).rejects.toMatchObject({ code })
    await expect(readHeader(folder)).rejects.toMatchObject({ code })
  })

  it('never fails but with its own error, and never believes a damaged file that it cannot check', async () => {
    const whole = weightsOf({ 'a.weight': [2, 3], 'a.bias': [3], 'b.weight': [1, 1, 4] })
    const file = fileOf(whole)
    const damage = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    const length = fc.oneof({ weight: 3, arbitrary: fc.constant(whole.length) }, fc.nat(whole.length + 20))
    await fc.assert(
      fc.asyncProperty(damage, length, async (bytes, size) => {
        const broken = Buffer.alloc(size)
        whole.copy(broken)
        for (const [position, byte] of bytes) if (position < size) broken[position] = byte
        writeFileSync(file, broken)
        try {
          const { tensors } = await readHeader(file)
          // Nothing in it can be wrong then: what it names covers the rest of the file exactly.
          const named = Array.from(tensors.values()).reduce((sum, one) => sum + one.bytes, 0)
          expect(named).toBe(size - 8 - Number(broken.readBigUInt64LE()))
          for (const { offset, bytes } of tensors.values()) expect(offset + bytes).toBeLessThanOrEqual(size)
        } catch (error) {
          if (!(error instanceof ModelError)) throw error
          expect(error.code).toBe('ERR_WUERSTCHEN_WEIGHTS_INVALID')
        }
      }),
      { numRuns: 400 },
    )
  })

  it('never fails but with its own error on headers of any JSON', async () => {
    const file = fileOf('')
    await fc.assert(
      fc.asyncProperty(fc.json(), fc.nat(40), async (header, dataBytes) => {
        writeFileSync(file, safetensorsOf(header, dataBytes))
        const outcome = await readHeader(file).catch((error) => error)
        if (outcome instanceof Error)
          expect(outcome).toMatchObject({ code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID' })
      }),
      { numRuns: 200 },
    )
  })
})

describe('readShardIndex()', () => {
  const indexOf = (content: object | string) =>
    join(folderOf({ 'm.safetensors.index.json': content }), 'm.safetensors.index.json')

  it('names each shard once, in the folder of the index', async () => {
    const map = {
      a: 'm-00001-of-00002.safetensors',
      b: 'm-00002-of-00002.safetensors',
      c: 'm-00001-of-00002.safetensors',
    }
    const index = indexOf({ metadata: { total_size: 1 }, weight_map: map })
    expect(await readShardIndex(index)).toEqual([
      join(index, '..', 'm-00001-of-00002.safetensors'),
      join(index, '..', 'm-00002-of-00002.safetensors'),
    ])
  })

  it.each([
    ['no map', {}],
    ['an empty map', { weight_map: {} }],
    ['a list', { weight_map: ['a.safetensors'] }],
    ['a number', { weight_map: { a: 1 } }],
    ['another folder', { weight_map: { a: '../a.safetensors' } }],
    ['another folder, in the way of Windows', { weight_map: { a: '..\\a.safetensors' } }],
    ['an absolute path', { weight_map: { a: '/a.safetensors' } }],
    ['another kind of file', { weight_map: { a: 'config.json' } }],
  ])('refuses %s', async (_, content) => {
    await expect(readShardIndex(indexOf(content))).rejects.toMatchObject({
      code: 'ERR_WUERSTCHEN_WEIGHTS_INVALID',
    })
  })

  it('refuses what is no JSON', async () => {
    await expect(readShardIndex(indexOf('{'))).rejects.toMatchObject({ code: 'ERR_WUERSTCHEN_MODEL_INVALID' })
  })
})
