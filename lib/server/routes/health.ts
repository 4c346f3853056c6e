import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import type { Context } from '../context'
import { oneOf } from '../schemas/kinds'

const Health = Type.Object({ status: Type.Literal('ok') }, { $id: 'Health' })
const Readiness = Type.Object(
  { status: oneOf(['loading', 'ready', 'draining', 'failed']) },
  { $id: 'Readiness' },
)

/** For whoever restarts the process, and whoever sends it requests. They need no key and tell nothing else. */
export function registerHealth(app: FastifyInstance, { backend }: Context): void {
  app.addSchema(Health)
  app.addSchema(Readiness)
  app.get(
    '/healthz',
    {
      config: { public: true },
      schema: {
        summary: 'Whether the process answers',
        tags: ['health'],
        response: { 200: Type.Ref(Health) },
      },
    },
    async () => ({ status: 'ok' as const }),
  )
  app.get(
    '/readyz',
    {
      config: { public: true },
      schema: {
        summary: 'Whether it takes jobs',
        description:
          '503 while the model loads, while the server drains, and after the model failed to load.',
        tags: ['health'],
        response: { 200: Type.Ref(Readiness), 503: Type.Ref(Readiness) },
      },
    },
    async (_request, reply) => {
      const { name } = backend.state
      return reply.code(name === 'ready' ? 200 : 503).send({ status: name })
    },
  )
}
