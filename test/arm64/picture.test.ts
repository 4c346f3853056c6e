/** arm64's Node, libtorch and addons under qemu, as far as scripts/arm64/setup.mjs has set them up. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { difference, ROOT } from '../../bench/support/reference'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

const NODE = join(ROOT, '.arm64', 'node', 'bin', 'arm64-node')
const CHECKOUT = join(ROOT, '.arm64', 'checkout')
const ready = existsSync(join(CHECKOUT, 'prebuilds', 'linux-arm64', 'loader.node'))
const describeReady = ready ? describe : describe.skip
const because = ready ? '' : ' (SKIPPED: npm run test:arm64 sets up what it needs)'

function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`)
  return stdout
}

async function pixelsOf(file: string) {
  const { data, info } = await sharp(file).removeAlpha().raw().toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height }
}

describeReady(`a machine of arm64${because}`, () => {
  const pictures = folderOf({})
  const picture = (name: string) => join(pictures, `${name}.png`)
  const request = (out: string) => ['dist/cli/main.js', 'generate', 'a red circle', '--seed', '7', '-o', out]
  afterAll(removeFolders)

  it('is described by doctor', () => {
    const { addon, platform, cpu, problems } = JSON.parse(
      run(NODE, ['dist/cli/main.js', 'doctor', '--json'], CHECKOUT),
    )
    expect({ problems, platform }).toEqual({ problems: [], platform: 'linux-arm64' })
    expect(addon.kernels).toBe('neon_bf16')
    expect(cpu).toEqual({
      model: expect.stringMatching(/Neoverse.N1/), // each Node has its own spelling
      features: expect.arrayContaining(['asimd', 'asimddp']),
    })
  }, 600_000)

  it.each(['neon_bf16', 'neon_dotprod', 'neon', 'baseline'])(
    'makes the picture of x86-64 as %s',
    async (kind) => {
      ensureDist()
      if (!existsSync(picture('here'))) run(process.execPath, request(picture('here')), ROOT)
      run(NODE, request(picture(kind)), CHECKOUT, { WUERSTCHEN_CPU: kind })
      const { largest, mean } = difference(await pixelsOf(picture(kind)), await pixelsOf(picture('here')))
      expect(largest).toBeLessThanOrEqual(4)
      expect(mean).toBeLessThan(0.1)
    },
    600_000,
  )
})
