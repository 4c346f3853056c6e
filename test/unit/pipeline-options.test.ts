import { checkPipelineOptions, type PipelineOptions } from '../../lib/pipeline/options'

const check = (options: object) => checkPipelineOptions(options as PipelineOptions, { cores: 6 })

describe('checkPipelineOptions()', () => {
  it('fills in the defaults', () => {
    expect(check({})).toEqual({
      prior: undefined,
      promptCacheBytes: 2 ** 26,
      revision: undefined,
      variant: undefined,
      hub: expect.objectContaining({ offline: false }),
      devices: [{ name: 'auto', device: 'auto', threads: 6, cpus: undefined }],
      offload: 'none',
      maxMemory: null,
      dtype: 'auto',
      parity: 'none',
      kernels: { prior: 'auto', decoder: 'auto', vqgan: 'auto' },
      cudaGraphs: undefined,
      libtorch: undefined,
      weightsCache: undefined,
      graphs: [],
      maxBatchRows: 8,
      maxQueue: 1024,
      onProgress: undefined,
      signal: undefined,
    })
  })

  it('takes a list of devices, which share the threads', () => {
    const options = { device: ['cpu', 'cuda:1'], offload: 'model', maxMemory: 1e9 } as const
    expect(checkPipelineOptions(options, { cores: 5 })).toMatchObject({
      devices: [
        { name: 'cpu', threads: 2 },
        { name: 'cuda:1', threads: 2 },
      ],
      offload: 'model',
      maxMemory: 1e9,
    })
    const [first] = checkPipelineOptions({ device: ['cpu', 'cpu'] }, { cores: 1 }).devices
    expect(first.threads).toBe(1)
  })

  it('takes one folder of graphs or several', () => {
    expect(check({ graphs: 'a' }).graphs).toEqual(['a'])
    expect(check({ graphs: ['a', 'b'] }).graphs).toEqual(['a', 'b'])
  })

  it.each([
    [
      { device: 'tpu' },
      "Expected device to be one of auto, cpu, cpu:0, mps, cuda or cuda:1 but received 'tpu'",
    ],
    [{ device: 'cuda:x' }, /device/],
    [{ device: [] }, /device/],
    [{ device: ['cpu', 'tpu'] }, /device\[1\]/],
    [{ offload: 'some' as never }, /offload to be one of none, model or sequential/],
    [{ offload: true as never }, /offload/],
    [{ maxMemory: 0 }, /maxMemory/],
    [{ maxMemory: Number.NaN }, /maxMemory/],
    [{ maxMemory: 1.5 }, /maxMemory/],
    [
      { dtype: 'int4' },
      "Expected dtype to be one of auto, float32, bfloat16, float16 or int8 but received 'int4'",
    ],
    [
      { dtype: 'int8', offload: 'model', weightsCache: false },
      "Expected weightsCache to be a folder with dtype 'int8' and offload but received false",
    ],
    [
      { dtype: 'int8', offload: 'model', kernels: 'packed' },
      "Expected kernels to be 'auto' or 'shared' with dtype 'int8' and offload but received 'packed'",
    ],
    [
      { kernels: { prior: 'shared' }, weightsCache: false },
      "Expected weightsCache to be a folder with kernels 'shared' but received false",
    ],
    [{ dtype: 'int8', parity: 'diffusers' }, /parity to be 'none' with dtype 'int8'/],
    [{ kernels: { vqgan: 'fast' } }, /kernels.vqgan to be one of auto, packed, shared, mapped or off/],
    [{ kernels: { vqgam: 'off' } }, /vqgam/],
    [
      { dtype: 'int8', kernels: { prior: 'mapped' } },
      /kernels to be 'auto', 'packed' or 'shared' with dtype 'int8'/,
    ],
    [{ dtype: 'int8', kernels: 'off' }, /kernels to be 'auto', 'packed' or 'shared' with dtype 'int8'/],
    [{ cudaGraphs: 'auto' }, "Expected cudaGraphs to be true or false but received 'auto'"],
    [{ threads: 0 }, 'Expected threads to be an integer from 1 to 1024 but received 0'],
    [{ threads: 1.5 }, /threads/],
    [{ threads: '2' }, /threads/],
    [{ maxBatchRows: Number.NaN }, /maxBatchRows/],
    [{ maxQueue: -1 }, /maxQueue/],
    [{ prior: '' }, /prior/],
    [{ libtorch: 7 }, /libtorch/],
    [{ revision: '../x' }, /Expected revision to be a branch, a tag or a commit/],
    [{ token: 'a b' }, /^Expected token to be printable characters without spaces but received '…'$/],
    [{ cacheDir: '' }, /cacheDir/],
    [{ weightsCache: true }, /Expected weightsCache to be a folder or false/],
    [{ localFilesOnly: 'yes' }, /localFilesOnly/],
    [{ graphs: ['a', null] }, /graphs/],
    [{ onProgress: 'x' }, /onProgress/],
    [{ signal: {} }, /signal/],
    [{ thread: 2 }, /Did you mean 'threads'\?/],
    [null, 'Expected options to be an object but received null'],
  ])('refuses %j', (options, message) => {
    expect(() => check(options as object)).toThrow(message)
  })
})
