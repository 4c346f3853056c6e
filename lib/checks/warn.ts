/** Tells whoever runs the program: on standard error, or to listeners of the process's `warning` event. */
export function warn(message: string): void {
  process.emitWarning(message, { type: 'WuerstchenWarning' })
}
