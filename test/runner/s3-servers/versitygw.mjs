import { startRecipe } from './recipe.mjs';

/** Metadata in extended attributes, which the file system of the temporary folder has to have. */
export const versitygw = {
  title: 'versitygw',
  start: (scratch) =>
    startRecipe(scratch, {
      program: 'versitygw',
      version: { parameters: ['--version'], pattern: /(?<=Version\s*: v?)\d\S*/ },
      image: 'ghcr.io/versity/versitygw:v1.8.0',
      line: ({ host, port, folder, keys }) => ({
        parameters: ['--port', `${host}:${port}`, '--quiet', 'posix', folder],
        env: { ROOT_ACCESS_KEY: keys.accessKeyId, ROOT_SECRET_KEY: keys.secretAccessKey },
      }),
    }),
};
