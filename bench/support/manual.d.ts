export declare function commandOf(argv: readonly string[]): string
export declare function withTable(page: string, name: string, text: string): string
