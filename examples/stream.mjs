// Progress, previews and several pictures: node examples/stream.mjs
import { WuerstchenPipeline } from 'wuerstchen'

const pipeline = await WuerstchenPipeline.fromPretrained()
const signal = AbortSignal.timeout(60_000)
for await (const event of pipeline.stream(['a green house', 'a red fish'], {
  previewEvery: 4,
  seed: 7,
  signal,
})) {
  if (event.type === 'step')
    console.log(`picture ${event.index}: ${event.stage} ${event.step} of ${event.steps}`)
  if (event.type === 'preview') await event.image.toFile(`${event.index}-preview.png`)
  if (event.type === 'image') await event.image.toFile(`${event.index}.png`)
}
await pipeline.dispose()
