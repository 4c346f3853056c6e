// One picture: node examples/script.mjs
import { WuerstchenPipeline } from 'wuerstchen'

const pipeline = await WuerstchenPipeline.fromPretrained()
const { images } = await pipeline.generate('a yellow star on a purple background', { seed: 7 })
await images[0].toFile('star.png')
await pipeline.dispose()
console.log('star.png')
