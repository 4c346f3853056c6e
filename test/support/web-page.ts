/** The page in a real browser, on a real server: what tests of it share. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { ROOT } from '../../bench/support/reference'
import { encode } from '../../lib/embeddings/safetensors'
import { until } from './http-server'
import { folderOf, removeFolders } from './temporary-folder'

export const KEY = 'wk-of-this-test'

/** Debian's Chromium, or the one that the variable CHROMIUM names; null where there is none. */
export function findChromium(): string | null {
  const folders = (process.env.PATH ?? '').split(delimiter)
  const found = ['chromium', 'chromium-browser', 'google-chrome'].flatMap((name) =>
    folders.map((folder) => join(folder, name)),
  )
  return [process.env.CHROMIUM ?? '', ...found].find((path) => path !== '' && existsSync(path)) ?? null
}

export interface ServedPage extends AsyncDisposable {
  readonly url: string
  readonly browser: Browser
}

/** `wuerstchen serve` with the bundled model and one key, and a browser. */
export async function servePage(): Promise<ServedPage> {
  const keys = [{ name: 'page', sha256: createHash('sha256').update(KEY).digest('hex'), admin: true }]
  const child = spawn(
    process.execPath,
    [join(ROOT, 'dist/cli/main.js'), 'serve', '--port', '0', '--threads', '1', '--device', 'cpu'],
    {
      env: {
        ...process.env,
        WUERSTCHEN_SERVE_KEYS: JSON.stringify(keys),
        WUERSTCHEN_SERVE_LORAS: JSON.stringify([{ path: loraFile(), name: 'style' }]),
      },
    },
  )
  const log = printedBy(child)
  try {
    await until(() => log().includes('"msg":"ready"'), 120_000)
    const url = /Server listening at (http:[^"]+)/.exec(log())?.[1] ?? ''
    const browser = await launch()
    return {
      url,
      browser,
      async [Symbol.asyncDispose]() {
        await browser.close()
        child.kill('SIGKILL')
        removeFolders()
      },
    }
  } catch (cause) {
    child.kill('SIGKILL')
    throw new Error(`Expected wuerstchen serve and a browser to start but received: ${log()}`, { cause })
  }
}

/** A LoRA of rank 1 on one projection of the bundled prior, 160 by 160. */
function loraFile(): string {
  const name = 'prior.blocks.11.attention.to_q'
  const ones = (shape: readonly number[]) => ({ shape, data: new Float32Array(160).fill(0.01) })
  const file = join(folderOf({}), 'style.safetensors')
  writeFileSync(
    file,
    encode({ [`${name}.lora_A.weight`]: ones([1, 160]), [`${name}.lora_B.weight`]: ones([160, 1]) }, {}),
  )
  return file
}

/** Its sandbox needs rights that root and containers lack; the pages are our own. */
function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium() ?? '',
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  })
}

function printedBy(child: ChildProcess): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (data) => {
      text += data
    })
  return () => text
}

/** Passes the form that asks for the key. */
export async function enterKey(page: Page, url: string): Promise<void> {
  await page.goto(url)
  await page.getByLabel('Key', { exact: true }).fill(KEY)
  await page.getByRole('button', { name: 'Use this key' }).click()
  await page.getByRole('button', { name: 'Generate' }).waitFor()
}

/** What a browser says of a page that breaks its own Content-Security-Policy, or throws. */
export function troubleOf(page: Page): string[] {
  const trouble: string[] = []
  page.on('pageerror', (error) => trouble.push(String(error)))
  page.on('console', (message) => {
    // A refused key is one, too: the browser logs each answer that is not 2xx.
    if (message.type() === 'error' && !message.text().includes('status of 401')) trouble.push(message.text())
  })
  return trouble
}
