// An HTTP server with fastify: node examples/fastify.mjs, then
//   curl -o star.png 'http://127.0.0.1:3000/picture?prompt=a+yellow+star'
import Fastify from 'fastify'
import { WuerstchenPipeline } from 'wuerstchen'

const STATUS = {
  ERR_WUERSTCHEN_INVALID_ARGUMENT: 400,
  ERR_WUERSTCHEN_MEMORY_LIMIT: 400,
  ERR_WUERSTCHEN_TIMEOUT: 408,
  ERR_WUERSTCHEN_QUEUE_FULL: 429,
  ERR_WUERSTCHEN_DISPOSED: 503,
}

// All requests share this pipeline and its batches.
const pipeline = await WuerstchenPipeline.fromPretrained(undefined, { maxQueue: 64 })
const app = Fastify({ logger: true })

app.get('/picture', async (request, reply) => {
  const gone = new AbortController()
  reply.raw.once('close', () => gone.abort()) // a client that leaves costs no further step
  const { images } = await pipeline.generate(request.query.prompt, { timeoutMs: 30_000, signal: gone.signal })
  return reply.type('image/png').send(await images[0].toBuffer())
})

app.setErrorHandler((error, _request, reply) => {
  const status = STATUS[error.code] ?? error.statusCode ?? 500
  reply.status(status).send({ code: error.code, message: status < 500 ? error.message : 'internal error' })
})
app.addHook('onClose', () => pipeline.dispose({ drain: true }))

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close())
await app.listen({ port: Number(process.env.PORT ?? 3000) })
