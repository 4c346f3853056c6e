// The two halves of a picture: node examples/halves.mjs
import { ImageEmbeddings, WuerstchenPipeline } from 'wuerstchen'

const pipeline = await WuerstchenPipeline.fromPretrained()
const { embeddings } = await pipeline.prior(['a red fish', 'a blue heart'], { seed: 7 })
await embeddings[0].toFile('fish.safetensors') // some kilobytes; Python's safetensors reads it, too

const fish = await ImageEmbeddings.fromFile('fish.safetensors')
const middle = ImageEmbeddings.interpolate(fish, embeddings[1], 0.5)
const { images } = await pipeline.decode(middle, { seed: 1, numImagesPerPrompt: 2, prompt: 'a fish' })
await Promise.all(images.map((image, index) => image.toFile(`middle-${index}.png`)))
await pipeline.dispose()
