export function photo(
  width: number,
  height: number,
  options?: { detail?: number; quality?: number; seed?: number },
): Promise<Buffer>;
