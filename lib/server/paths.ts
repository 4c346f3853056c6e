import type { FastifyInstance } from 'fastify'

/** Which methods each path has: what the router does not tell of a path that it knows by another method. */
export class Paths {
  private readonly methods = new Map<string, Set<string>>()

  /** Of routes that are added from now on. */
  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ url, method }) => {
      if (url.includes('*')) return // CORS asks for all paths
      const known = this.methods.get(url) ?? new Set()
      for (const one of [method].flat()) known.add(one)
      this.methods.set(url, known)
    })
  }

  /** Of a request's path, which may have a query. */
  methodsOf(address: string): string[] {
    const [path = ''] = address.split('?', 1)
    const found = [...this.methods].filter(([pattern]) => matches(pattern, path))
    return [...new Set(found.flatMap(([, methods]) => [...methods]))].sort()
  }
}

/** `/v1/jobs/:id` stands for one part of a path in the place of `:id`. */
function matches(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split('/'), path.split('/')]
  if (wanted.length !== given.length) return false
  return wanted.every((part, index) => (part.startsWith(':') ? given[index] !== '' : part === given[index]))
}
