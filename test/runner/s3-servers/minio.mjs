import { startRecipe } from './recipe.mjs';

/** The last community release. quay.io still has it, Docker Hub does not. */
const IMAGE = process.env.MINIO_IMAGE ?? 'quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z';

export const minio = {
  title: 'MinIO',
  start: (scratch) =>
    startRecipe(scratch, {
      program: 'minio',
      version: { parameters: ['--version'], pattern: /RELEASE\.\S+/ },
      image: IMAGE,
      line: ({ host, port, folder, keys }) => ({
        parameters: ['server', folder, '--address', `${host}:${port}`],
        env: { MINIO_ROOT_USER: keys.accessKeyId, MINIO_ROOT_PASSWORD: keys.secretAccessKey },
      }),
    }),
};
