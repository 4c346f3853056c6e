export interface HostileRequest {
  readonly path: string
  readonly method: string
  readonly headers: Record<string, string>
  readonly body?: string
}
export function hostileRequest(seed: number, jobs?: readonly string[]): HostileRequest
export function hostileBytes(seed: number): Buffer
export function sendBytes(port: number, bytes: Buffer, host?: string): Promise<string>
export function random(seed: number): () => number
