export declare class Worker {
  constructor(command: string, args: readonly string[], options?: object)
}
