export interface Pixels {
  readonly data: Uint8Array
  readonly width: number
  readonly height: number
}
export declare const ROOT: string
export declare const PYTHON: string
export declare const FIXTURES: string
export declare function ensureFixtures(): string
export declare class Reference {
  constructor(decoder: string, prior: string, options?: { threads?: number; dtype?: string })
  ready(): Promise<this>
  generate(request: object): Promise<{ images: Pixels[]; seconds: number }>
  close(): Promise<void>
}
export declare function difference(a: Pixels, b: Pixels): { largest: number; mean: number }
