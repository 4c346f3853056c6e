/** Numbers that a tensor of this shape holds; 1 for a scalar. */
export function volume(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}
