import { startRecipe } from './recipe.mjs';

/**
 * Metadata in extended attributes, which the file system of the temporary folder has to have. Without --disableotmp it can't replace
 * objects whose names are longer than 227 bytes.
 */
export const versitygw = {
  title: 'versitygw',
  start: (scratch) =>
    startRecipe(scratch, {
      program: 'versitygw',
      version: { parameters: ['--version'], pattern: /(?<=Version\s*: v?)\d\S*/ },
      image: 'ghcr.io/versity/versitygw:v1.8.0',
      line: ({ host, port, folder, keys }) => ({
        parameters: ['--port', `${host}:${port}`, '--quiet', 'posix', '--disableotmp', folder],
        env: { ROOT_ACCESS_KEY: keys.accessKeyId, ROOT_SECRET_KEY: keys.secretAccessKey },
      }),
    }),
};
