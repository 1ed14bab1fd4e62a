declare module 'subset-font' {
  export default function subsetFont(
    font: Uint8Array,
    text: string | undefined,
    options: { keepAllGlyphs?: boolean; targetFormat?: 'truetype' },
  ): Promise<Buffer>;
}
