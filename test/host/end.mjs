/** Begins the line that a host writes on standard output, with the exit code, and on standard error when a request is done. */
export const END = '\u0004 done';
