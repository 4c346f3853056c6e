export function writeStyle(
  file: string,
  priorFile: string,
  rank: number,
): Promise<{ readonly layers: number; readonly numbers: number; readonly bytes: number }>
