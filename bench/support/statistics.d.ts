export declare function apart(found: ArrayLike<number>, wanted: ArrayLike<number>): number
export declare function median(values: readonly number[]): number
export declare function spread(values: readonly number[]): string
