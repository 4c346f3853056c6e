/** Waits for what another process or connection brings about. */
export async function until(condition: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
  const end = Date.now() + ms
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Expected within ${ms} ms: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
