import { neededFiles, type RemoteFile } from '../../lib/hub/files'

const listed = (...paths: string[]): RemoteFile[] => paths.map((path) => ({ path, size: 1, etag: 'e' }))
const DECODER = ['decoder/config.json', 'decoder/diffusion_pytorch_model.safetensors']
const REPOSITORY = listed(
  'model_index.json',
  ...DECODER,
  'decoder/diffusion_pytorch_model.fp16.safetensors',
  'decoder/diffusion_pytorch_model.bin',
  'vqgan/config.json',
  'vqgan/diffusion_pytorch_model.safetensors',
)
const pathsOf = (files: readonly RemoteFile[]) => files.map(({ path }) => path)

describe('neededFiles()', () => {
  it('takes the plain weights alone', () => {
    expect(pathsOf(neededFiles('a/b', REPOSITORY))).toEqual([
      'model_index.json',
      ...DECODER,
      'vqgan/config.json',
      'vqgan/diffusion_pytorch_model.safetensors',
    ])
  })

  it('takes the weights of a variant where a network has any, else the plain ones', () => {
    expect(pathsOf(neededFiles('a/b', REPOSITORY, 'fp16'))).toEqual([
      'model_index.json',
      'decoder/config.json',
      'decoder/diffusion_pytorch_model.fp16.safetensors',
      'vqgan/config.json',
      'vqgan/diffusion_pytorch_model.safetensors',
    ])
  })

  it('knows the prior of a combined pipeline by its own folders', () => {
    const files = listed(
      'model_index.json',
      'prior_prior/config.json',
      'prior_prior/diffusion_pytorch_model.safetensors',
      'prior_text_encoder/config.json',
      'prior_text_encoder/model.safetensors',
      'prior_scheduler/scheduler_config.json',
      'prior_tokenizer/tokenizer.json',
      'safety_checker/model.safetensors',
    )
    expect(pathsOf(neededFiles('a/b', files))).toEqual(pathsOf(files).slice(0, -1))
  })
})
