/** Ids of unfinished jobs of this page, so that a reload goes on watching them. */
const NAME = 'wuerstchen.jobs'

export function keptJobs(): readonly string[] {
  try {
    const ids: unknown = JSON.parse(localStorage.getItem(NAME) ?? '[]')
    return Array.isArray(ids) ? ids.filter((id): id is string => typeof id === 'string') : []
  } catch {
    return [] // no storage, or another program's text
  }
}

export function keepJob(id: string): void {
  write([...new Set([...keptJobs(), id])])
}

export function dropJob(id: string): void {
  write(keptJobs().filter((one) => one !== id))
}

function write(ids: readonly string[]): void {
  try {
    localStorage.setItem(NAME, JSON.stringify(ids))
  } catch {
    // Without storage a reload forgets them; the server has them all the same.
  }
}
