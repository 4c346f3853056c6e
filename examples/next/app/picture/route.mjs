// A route of Next.js: app/picture/route.mjs. In next.config.mjs: serverExternalPackages: ['wuerstchen', 'sharp'].
import { WuerstchenPipeline } from 'wuerstchen'

export const runtime = 'nodejs'
export const dynamic = 'force-dynamic'

// Development servers load this file anew with every change; the model is loaded once.
globalThis.wuerstchen ??= WuerstchenPipeline.fromPretrained()

const STATUS = {
  ERR_WUERSTCHEN_INVALID_ARGUMENT: 400,
  ERR_WUERSTCHEN_TIMEOUT: 408,
  ERR_WUERSTCHEN_QUEUE_FULL: 429,
}

export async function GET(request) {
  const prompt = new URL(request.url).searchParams.get('prompt') ?? undefined
  const pipeline = await globalThis.wuerstchen
  try {
    const { images } = await pipeline.generate(prompt, { signal: request.signal })
    return new Response(await images[0].toBuffer(), { headers: { 'content-type': 'image/png' } })
  } catch (error) {
    const status = STATUS[error.code] ?? (error.retryable ? 503 : 500)
    return Response.json({ code: error.code }, { status })
  }
}
