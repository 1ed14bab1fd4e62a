/** The size of a picture as its container states it. The frames have not been looked at. */
export interface Dimensions {
  /** Of one frame in px, as libvips decodes it. */
  width: number;
  height: number;
  frames: number;
}
