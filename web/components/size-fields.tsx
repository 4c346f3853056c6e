import type { Info } from '../api/types'
import { NumberField, type NumberFieldProps } from './number-field'

type Side = Pick<NumberFieldProps, 'id' | 'value' | 'onChange' | 'error'>

const SHORTEST = 64
const LONGEST = 4096

/** Width and height in pixels; empty is the model's own size. */
export function SizeFields({ width, height, info }: { width: Side; height: Side; info: Info }) {
  const [model] = info.models
  const most = info.limits.max_pixels
  const { default_width: defaultWidth = 1024, default_height: defaultHeight = 1024 } = model ?? {}
  const longest = (other: string, otherDefault: number) => {
    const side = other === '' ? otherDefault : Number(other)
    const allowed = Math.floor(most / side)
    return Number.isFinite(allowed) ? Math.min(LONGEST, Math.max(SHORTEST, allowed)) : LONGEST
  }
  return (
    <div class="row">
      <NumberField
        {...width}
        label="Width in pixels"
        min={SHORTEST}
        max={longest(height.value, defaultHeight)}
        placeholder={`${defaultWidth}`}
      />
      <NumberField
        {...height}
        label="Height in pixels"
        min={SHORTEST}
        max={longest(width.value, defaultWidth)}
        placeholder={`${defaultHeight}`}
      />
    </div>
  )
}
