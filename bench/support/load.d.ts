export declare function busyTicks(text: string): number
export declare function ticksOf(text: string): number
