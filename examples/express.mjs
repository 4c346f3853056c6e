// The same with express: node examples/express.mjs
import express from 'express'
import { WuerstchenPipeline } from 'wuerstchen'

const pipeline = await WuerstchenPipeline.fromPretrained(undefined, { maxQueue: 64 })
const app = express()

app.get('/picture', async (request, response) => {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  try {
    const { images } = await pipeline.generate(request.query.prompt, {
      timeoutMs: 30_000,
      signal: gone.signal,
    })
    response.type('png').send(await images[0].toBuffer())
  } catch (error) {
    if (gone.signal.aborted) return
    const status = error.code === 'ERR_WUERSTCHEN_INVALID_ARGUMENT' ? 400 : error.retryable ? 503 : 500
    response.status(status).json({ code: error.code })
  }
})

const server = app.listen(Number(process.env.PORT ?? 3000), () =>
  console.log(`port ${server.address().port}`),
)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => server.close(() => pipeline.dispose({ drain: true })))
}
