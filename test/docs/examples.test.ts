/** Every example runs as a user would run it, on the bundled model. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { freePort } from '../../bench/support/ports'
import { ROOT } from '../../bench/support/reference'
import { readParameters } from '../../lib'
import { describeBundled } from '../support/models'
import { ensureDist } from '../support/node-process'
import { folderOf, removeFolders } from '../support/temporary-folder'

const EXAMPLES = join(ROOT, 'examples')

beforeAll(() => void ensureDist())
afterAll(removeFolders)

/** Runs an example in an empty folder, which it returns. */
function run(name: string): string {
  const folder = folderOf({})
  const { status, stderr } = spawnSync(process.execPath, [join(EXAMPLES, name)], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return folder
}

describeBundled('the examples', () => {
  it('are all run here', () => {
    const tested = readFileSync(__filename, 'utf8')
    const files = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.mjs'),
    )
    expect(files.length).toBeGreaterThan(5)
    expect(files.filter((name) => !tested.includes(name.replaceAll('\\', '/')))).toEqual([])
  })

  it('script.mjs draws one picture', async () => {
    expect(await readParameters(join(run('script.mjs'), 'star.png'))).toMatchObject({ seed: 7, width: 256 })
  })

  it('stream.mjs draws pictures and previews', () => {
    expect(readdirSync(run('stream.mjs')).sort()).toEqual([
      '0-preview.png',
      '0.png',
      '1-preview.png',
      '1.png',
    ])
  })

  it('halves.mjs keeps image embeddings and paints between two', () => {
    expect(readdirSync(run('halves.mjs')).sort()).toEqual([
      'fish.safetensors',
      'middle-0.png',
      'middle-1.png',
    ])
  })

  it('worker-pool.mjs draws in workers', () => {
    expect(readdirSync(run('worker-pool.mjs')).sort()).toEqual(['0.png', '1.png', '2.png', '3.png'])
  })

  it.each(['fastify.mjs', 'express.mjs'])('%s answers with pictures, refuses, and drains', async (name) => {
    const port = await freePort()
    const server = spawn(process.execPath, [join(EXAMPLES, name)], {
      env: { ...process.env, PORT: `${port}` },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = new Promise((resolve) => server.once('exit', resolve))
    try {
      await listening(server)
      const answer = await fetch(`http://127.0.0.1:${port}/picture?prompt=a+yellow+star`)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/png'])
      const png = new Uint8Array(await answer.arrayBuffer())
      expect(await readParameters(png)).toMatchObject({ prompt: 'a yellow star' })
      const refused = await fetch(`http://127.0.0.1:${port}/picture`)
      expect([refused.status, await refused.json()]).toEqual([
        400,
        expect.objectContaining({ code: 'ERR_WUERSTCHEN_INVALID_ARGUMENT' }),
      ])
    } finally {
      server.kill('SIGTERM')
    }
    expect(await ended).toBe(0)
  })

  it('next/app/picture/route.mjs answers as a route handler', () => {
    const folder = folderOf({})
    cpSync(join(EXAMPLES, 'next'), join(folder, 'next'), { recursive: true })
    const route = pathToFileURL(join(EXAMPLES, 'next/app/picture/route.mjs')).href
    const body = `
      import { GET } from '${route}'
      const ask = (query) => GET(new Request('http://localhost/picture' + query))
      const [picture, refused] = [await ask('?prompt=a+red+circle'), await ask('')]
      const bytes = await picture.bytes?.() ?? new Uint8Array(await picture.arrayBuffer())
      await (await globalThis.wuerstchen).dispose()
      console.log(JSON.stringify([picture.status, bytes.length > 500, refused.status]))`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', body], {
      encoding: 'utf8',
    })
    expect({ stdout: stdout.trim(), stderr }).toEqual({ stdout: '[200,true,400]', stderr: '' })
    expect(existsSync(join(EXAMPLES, 'next/next.config.mjs'))).toBe(true)
  })
})

/** A line on standard output says that a server listens. */
function listening({ stdout }: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    stdout?.on('data', (chunk) => {
      if (/listening|port \d/.test(String(chunk))) resolve()
    })
    stdout?.once('end', () => reject(new Error('the server ended before it listened')))
  })
}
