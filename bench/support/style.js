'use strict'

const fs = require('node:fs')
const { readHeader } = require('../../dist/model/safetensors')

/** The prior's linear layers with a weight of two axes: attention and channel mixers. */
const LAYER = /^blocks\.\d+\.(?:attention\.to_(?:q|k|v|out\.0)|channelwise\.[04])\.weight$/

/** Small numbers that look random and are the same every time. */
function fill(count, size) {
  const data = new Float32Array(count)
  let seed = 1
  for (let index = 0; index < count; index++) {
    seed = (seed * 16807) % 2147483647
    data[index] = size * ((seed / 2147483647) * 2 - 1)
  }
  return Buffer.from(data.buffer)
}

/**
 * Writes a LoRA of this rank on every linear layer of a prior's blocks, in float32 and peft's spelling. Returns the number
 * of weights that it changes, and theirs.
 */
async function writeStyle(file, priorFile, rank) {
  const { tensors } = await readHeader(priorFile)
  const layers = [...tensors].filter(([name]) => LAYER.test(name))
  if (layers.length === 0) throw new Error(`Expected linear layers in ${priorFile} but found none`)
  const header = {}
  const parts = []
  let offset = 0
  const add = (name, shape) => {
    const bytes = fill(shape[0] * shape[1], 0.01)
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + bytes.length] }
    offset += bytes.length
    parts.push(bytes)
  }
  for (const [name, { shape }] of layers) {
    const base = name.slice(0, -'.weight'.length)
    add(`${base}.lora_A.weight`, [rank, shape[1]])
    add(`${base}.lora_B.weight`, [shape[0], rank])
  }
  const text = Buffer.from(JSON.stringify(header).padEnd(8 * Math.ceil(JSON.stringify(header).length / 8)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  fs.writeFileSync(file, Buffer.concat([length, text, ...parts]))
  const numbers = layers.reduce((sum, [, { shape }]) => sum + shape[0] * shape[1], 0)
  return { layers: layers.length, numbers, bytes: offset }
}

module.exports = { writeStyle }
