/** The page in Chromium, with the bundled model behind it. `npm run web:screenshots` takes those of docs/images/. */
import type { BrowserContextOptions } from 'playwright-core'
import sharp from 'sharp'
import { readParameters } from '../../lib'
import { describeBundled } from '../support/models'
import { enterKey, findChromium, type ServedPage, servePage, troubleOf } from '../support/web-page'
import {
  cancel,
  download,
  drop,
  fill,
  hasPixels,
  objections,
  pictureFrom,
  screenshot,
  thumbnails,
} from '../support/web-page-actions'

const describePage =
  findChromium() === null
    ? (name: string, tests: () => void) => describe.skip(`${name} (SKIPPED: no chromium on PATH)`, tests)
    : describeBundled

describePage('the page at /', () => {
  let served: ServedPage
  beforeAll(async () => {
    served = await servePage()
  }, 180_000)
  afterAll(() => served?.[Symbol.asyncDispose]())

  it('asks for a key, refuses another one, and keeps it until the tab is closed', async () => {
    await using tab = await open({}, { key: false })
    const { page } = tab
    const field = page.getByLabel('Key', { exact: true })
    await field.waitFor()
    expect(await page.evaluate('document.activeElement.type')).toBe('password')
    await page.keyboard.type('wk-of-somebody-else')
    await page.keyboard.press('Enter')
    await page.getByText('The server does not know this key.').waitFor()
    await enterKey(page, served.url)
    await page.reload()
    await page.getByRole('button', { name: 'Generate' }).waitFor()
    expect(await page.evaluate('Object.keys(localStorage)')).toEqual([])
    await page.getByRole('button', { name: 'Forget the API key' }).click()
    await field.waitFor()
  })

  it('makes a picture by keyboard, with previews, and has it after a reload', async () => {
    await using tab = await open()
    const { page, trouble } = tab
    await page.getByLabel('Prompt', { exact: true }).focus()
    await page.keyboard.type('a red circle')
    await fill(page, { 'Prior steps': 100, 'Decoder steps': 4, Seed: 7 })
    await page.getByLabel('Prompt', { exact: true }).focus()
    await page.keyboard.press('Control+Enter')
    const job = page.getByRole('article', { name: 'a red circle' })
    await job.getByText(/Working: prior, step \d+ of 100/).waitFor()
    const preview = job.getByRole('img', { name: 'Preview 1' })
    await preview.waitFor()
    await hasPixels(preview, 4)
    expect(await job.getByRole('progressbar').getAttribute('value')).toMatch(/^0\.\d/)
    await thumbnails(page).waitFor()
    await job.waitFor({ state: 'detached' })
    expect(await page.getByRole('status').textContent()).toMatch(/a red circle: Done/)
    await page.reload()
    await thumbnails(page).waitFor()
    await hasPixels(page.getByRole('img', { name: 'Open: a red circle' }), 256)
    expect(trouble).toEqual([])
  })

  it('shows the place in the queue, goes on after a reload, and cancels', async () => {
    await using tab = await open()
    const { page } = tab
    await fill(page, { Prompt: 'a blue square', Pictures: 8, 'Prior steps': 100, 'Decoder steps': 100 })
    await page.getByRole('button', { name: 'Generate' }).click()
    const first = page.getByRole('article', { name: 'a blue square' })
    await first.getByText(/Working/).waitFor()
    await fill(page, { Prompt: 'a green ring' })
    await page.getByRole('button', { name: 'Generate' }).click()
    const second = page.getByRole('article', { name: 'a green ring' })
    await second.getByText('Next in the queue').waitFor()
    await page.reload()
    await first.getByText(/Working/).waitFor()
    await cancel(page, second)
    await cancel(page, first)
    expect(await page.evaluate('document.activeElement.id')).toBe('jobs-title')
    expect(await thumbnails(page).count()).toBe(0)
  })

  it('makes several jobs at once, more than it has event streams for', async () => {
    await using tab = await open()
    const { page } = tab
    await fill(page, { Prompt: 'a grey cross', 'Prior steps': 6, 'Decoder steps': 3 })
    const button = page.locator('button[type=submit][aria-busy=false]')
    for (let job = 0; job < 5; job++) await button.click()
    await thumbnails(page).nth(4).waitFor()
    await page.getByText('Nothing is being made.').waitFor()
    expect(await thumbnails(page).count()).toBe(5)
    expect(await page.evaluate("localStorage.getItem('wuerstchen.jobs')")).toBe('[]')
  })

  it('makes a dropped picture again, bit by bit', async () => {
    await using tab = await open()
    const { page } = tab
    await fill(page, { Prompt: 'two circles', Pictures: 2, 'Prior steps': 4, 'Decoder steps': 3 })
    await fill(page, { 'Negative prompt': 'a square', 'Width in pixels': 128, 'Height in pixels': 192 })
    // One seed for both: only then is a picture the second of a seed.
    await fill(page, { Seed: 7 })
    await page.getByRole('button', { name: 'Generate' }).click()
    const second = await pictureFrom(page, 2)
    await page.reload()
    await drop(page, 'second.png', second)
    const section = page.getByRole('region', { name: 'Settings of a picture' })
    await section.getByRole('heading', { name: 'second.png' }).waitFor()
    const { seed, image } = (await readParameters(second)) ?? { seed: -1, image: -1 }
    await section.getByText(`${image + 1} of 2 of this seed`).waitFor()
    await section.getByRole('button', { name: 'Use these settings' }).click()
    expect(await page.getByLabel('Seed').inputValue()).toBe(`${seed}`)
    expect(await page.getByLabel('Negative prompt').inputValue()).toBe('a square')
    expect(await page.evaluate('document.activeElement.id')).toBe('prompt')
    await page.getByRole('button', { name: 'Generate' }).click()
    await thumbnails(page).nth(3).waitFor()
    const made = [await download(page, 0), await download(page, 1)]
    expect(made.some((png) => png.equals(second))).toBe(true)
  })

  it('says so of a picture that is not ours, and of what the server refuses', async () => {
    await using tab = await open()
    const { page } = tab
    const buffer = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    await page.getByLabel(/Drop a PNG/).setInputFiles({ name: 'other.png', mimeType: 'image/png', buffer })
    await page
      .locator('.drop')
      .getByText(/has no settings of wuerstchen/)
      .waitFor()
    await fill(page, { Prompt: 'x', 'Prior guidance': 100.5 })
    await page.getByRole('button', { name: 'Generate' }).click()
    // The browser itself refuses what is out of range, and goes there.
    expect(await page.evaluate('document.activeElement.id')).toBe('priorGuidance')
    expect(await page.getByRole('article').count()).toBe(0)
  })

  it('sets the scale of a LoRA, for all that comes', async () => {
    await using tab = await open()
    const { page } = tab
    const scale = page.getByRole('group', { name: 'LoRA scales' }).getByLabel('style')
    expect(await scale.inputValue()).toBe('1')
    await scale.fill('0.5')
    await page.keyboard.press('Tab')
    await page.getByText('The scale of style is 0.5.').waitFor({ state: 'attached' })
    await page.reload()
    await scale.waitFor()
    expect(await scale.inputValue()).toBe('0.5')
  })

  it.each([
    ['light', { colorScheme: 'light', viewport: { width: 1100, height: 800 } }],
    ['dark, on a phone', { colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true }],
  ] as const)('has nothing that axe objects to: %s', async (name, options) => {
    await using tab = await open(options)
    const { page } = tab
    await fill(page, { Prompt: 'a yellow star', Pictures: 4, 'Prior steps': 20, Seed: 5 })
    await page.getByRole('button', { name: 'Generate' }).click()
    await thumbnails(page).nth(3).waitFor()
    await fill(page, { Prompt: 'a red circle and a blue square', Pictures: 4, 'Prior steps': 100 })
    await page.getByRole('button', { name: 'Generate' }).click()
    await page.getByRole('img', { name: 'Preview 4' }).waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    await page.getByText(/step [2-9]\d of 100/).waitFor()
    await page.evaluate(
      name === 'light' ? 'scrollTo(0, 0)' : "document.querySelector('article').scrollIntoView()",
    )
    await screenshot(page, name === 'light' ? 'web-page' : 'web-page-phone')
    expect(await objections(page)).toEqual([])
    await thumbnails(page).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('Prior guidance').waitFor()
    expect(await objections(page)).toEqual([])
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    expect(await page.evaluate('document.activeElement.className')).toBe('thumbnail')
  })

  async function open(options: BrowserContextOptions = {}, { key = true } = {}) {
    const context = await served.browser.newContext(options)
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    const trouble = troubleOf(page)
    if (key) await enterKey(page, served.url)
    else await page.goto(served.url)
    return { page, trouble, [Symbol.asyncDispose]: () => context.close() }
  }
})
