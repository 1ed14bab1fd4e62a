/**
 * Begins the line that a host writes on standard error, and on standard output with the exit code and whether it takes another request, when
 * a request is done.
 */
export const END = '\u0004 done';
