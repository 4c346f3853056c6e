'use strict'

/** The float32 tensors of a safetensors file, by name: their values, or with `shapes` `{ shape, data }`. */
function decodeTensors(file, { shapes = false } = {}) {
  const length = Number(file.readBigUInt64LE())
  const { __metadata__: _, ...entries } = JSON.parse(file.toString('utf8', 8, 8 + length))
  const found = {}
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(entries)) {
    if (dtype !== 'F32') throw new Error(`Expected F32 for ${name} but received ${dtype}`)
    const [begin, end] = offsets.map((offset) => 8 + length + offset)
    const data = new Float32Array(Uint8Array.from(file.subarray(begin, end)).buffer)
    found[name] = shapes ? { shape, data } : data
  }
  return found
}

module.exports = { decodeTensors }
