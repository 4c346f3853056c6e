import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { packageVersion } from '../files/package-root'
import type { Context } from './context'

const DESCRIPTION =
  'Pictures of texts, by Würstchen. Keys go into the header Authorization: Bearer. Errors have the shape of OpenAI’s; ' +
  'docs/server.md lists their codes. 429 and 503 come with Retry-After.'

/** The document of all routes that come after it, served at /openapi.json. */
export function registerOpenApi(app: FastifyInstance, { keys }: Context): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'wuerstchen',
        version: packageVersion(),
        description: DESCRIPTION,
        license: { name: 'MIT' },
      },
      tags: [
        { name: 'openai', description: "OpenAI's images API" },
        { name: 'jobs', description: 'Pictures for clients that do not wait on one connection' },
        { name: 'info', description: 'What this server is' },
        { name: 'health', description: 'For supervisors and monitoring' },
      ],
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      security: keys.required ? [{ key: [] }] : [{ key: [] }, {}],
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => String(json.$id ?? `def-${index}`),
    },
  })
  app.register(async (routes) => {
    // Made once, as bytes: it takes milliseconds, and routes do not change after the start.
    let document: Buffer | null = null
    routes.get(
      '/openapi.json',
      { config: { public: true }, schema: { hide: true } },
      async (_request, reply) => {
        document ??= Buffer.from(JSON.stringify(app.swagger()))
        return reply.type('application/json; charset=utf-8').send(document)
      },
    )
  })
}
