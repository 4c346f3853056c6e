/** What people do on the page, and what is asked of it then. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import sharp from 'sharp'
import { ROOT } from '../../bench/support/reference'
import { until } from './http-server'

/** By their labels. */
export async function fill(page: Page, values: Record<string, string | number>): Promise<void> {
  await page.evaluate("document.querySelector('details').open = true")
  for (const [label, value] of Object.entries(values))
    await page.getByLabel(label, { exact: true }).fill(`${value}`)
}

export const thumbnails = (page: Page) => page.getByRole('button', { name: /^Open: / })

/** Until the picture itself has so many pixels: a preview is replaced while it is looked at. */
export const hasPixels = (image: Locator, width: number) =>
  until(() =>
    image.evaluate(
      (shown, least) => (shown as unknown as { naturalWidth: number }).naturalWidth >= least,
      width,
    ),
  )

/** By keyboard: the button becomes one that removes the job, and keeps the focus. */
export async function cancel(page: Page, job: Locator): Promise<void> {
  await job.getByRole('button', { name: 'Cancel' }).focus()
  await page.keyboard.press('Enter')
  await job.getByText('Canceled', { exact: true }).waitFor()
  await job.locator('button:focus', { hasText: 'Remove' }).waitFor()
  await page.keyboard.press('Enter')
  await job.waitFor({ state: 'detached' })
}

export async function download(page: Page, index: number): Promise<Buffer> {
  await thumbnails(page).nth(index).click()
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download' }).click(),
  ])
  await page.keyboard.press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  return readFileSync(await file.path())
}

/** One of so many new pictures, once all are there: the first of the gallery. */
export async function pictureFrom(page: Page, count: number): Promise<Buffer> {
  await thumbnails(page)
    .nth(count - 1)
    .waitFor()
  return download(page, 0)
}

export async function drop(page: Page, name: string, bytes: Buffer): Promise<void> {
  const script = `
    const bytes = Uint8Array.from(atob('${bytes.toString('base64')}'), (letter) => letter.charCodeAt(0))
    const transfer = new DataTransfer()
    transfer.items.add(new File([bytes], '${name}', { type: 'image/png' }))
    transfer`
  const dataTransfer = await page.evaluateHandle(
    `(() => {${script.replace(/transfer$/, 'return transfer')}})()`,
  )
  await page.dispatchEvent('body', 'dragover', { dataTransfer })
  await page.dispatchEvent('body', 'drop', { dataTransfer })
}

/** Rules of WCAG 2.2 A and AA that the page breaks. */
export async function objections(page: Page): Promise<string[]> {
  await page.evaluate(readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8'))
  const { passes, violations } = (await page.evaluate('axe.run()')) as {
    passes: unknown[]
    violations: { id: string; nodes: { html: string }[] }[]
  }
  expect(passes.length).toBeGreaterThan(10)
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

export async function screenshot(page: Page, name: string): Promise<void> {
  const png = await page.screenshot()
  expect(png.length).toBeGreaterThan(10_000)
  if (process.env.WUERSTCHEN_SCREENSHOTS === undefined) return
  const small = sharp(png).png({ palette: true, compressionLevel: 9, effort: 10 })
  await small.toFile(join(ROOT, 'docs', 'images', `${name}.png`))
}
