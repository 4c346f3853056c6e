/** 8-bit RGB, row-major, three bytes a pixel. */
export interface Pixels {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
}
