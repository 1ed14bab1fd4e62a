/** What 202 says of every change. */
export const PENDING =
  'The bucket is away. This replica makes the change as soon as it is back, and shows it as made already.';
