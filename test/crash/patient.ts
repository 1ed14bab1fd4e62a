/**
 * Deadlines that are no part of these tests, so long that a busy machine keeps them: one that passes sends a request down
 * another way than the one on which it is to be killed.
 */
export const PATIENT = {
  UPLOAD_TIMEOUT_MS: '120000',
  IMAGE_TIMEOUT_MS: '120000',
  AVATAR_COMMIT_TIMEOUT_MS: '120000',
  STORAGE_LOCAL_LOCK_TIMEOUT_MS: '120000',
  STORAGE_S3_TIMEOUT_MS: '120000',
};
