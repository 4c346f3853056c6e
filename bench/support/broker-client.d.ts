export function connected(url: string): import('ioredis').Redis
export function explained(error: unknown): unknown
