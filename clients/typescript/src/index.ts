export { Visage } from './visage.js';
export type { CallOptions, ChangeOptions, GetOptions, UploadOptions, VisageOptions } from './visage.js';
export { VisageError } from './error.js';
export type { ErrorCode, Problem } from './error.js';
export type { AvatarProps, Shown, ShownImage, SourceProps } from './pictures.js';
export type { Picture } from './body.js';
export type * from './answers.js';
