import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
const FOLDER = 'deploy/kubernetes';

/** The tags of Visage's image in a README or a kustomization. */
const TAG = /(?:\/visage:|newName: \S+\/visage\n\s+newTag: )([^\s&]+)/g;

it('the Kubernetes manifests and their README name the version of package.json', () => {
  const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(md|ya?ml)$/.test(name),
  );
  const tags = files.flatMap((name) =>
    [...readFileSync(join(FOLDER, name), 'utf8').matchAll(TAG)].map(([, tag]) => `${name}: ${tag ?? ''}`),
  );
  expect(new Set(tags)).toEqual(
    new Set(
      ['README.md', 'overlays/aws/kustomization.yaml', 'overlays/minio/kustomization.yaml'].map(
        (name) => `${name}: ${version}`,
      ),
    ),
  );
});
