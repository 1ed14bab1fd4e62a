// `npm version` runs this: the changelog, the package of the editor and the Kubernetes manifests follow the version in package.json.
import { readFileSync, writeFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const today = new Date().toISOString().slice(0, 10);

const changed = [
  replaced(
    'CHANGELOG.md',
    /^## Unreleased\n(?=\s+###)/m,
    `## Unreleased\n\n## ${version} - ${today}\n`,
    'a section such as "### Added" under "## Unreleased"',
  ),
  replaced(
    'deploy/kubernetes/README.md',
    /(?<=\/visage:)\d[\w.-]*/g,
    version,
    'an image of Visage with a version',
  ),
  ...['web', 'clients/typescript'].map((folder) =>
    replaced(`${folder}/package.json`, /(?<="version": ")[^"]+/, version, 'its "version"'),
  ),
  ...['aws', 'minio'].map((overlay) =>
    replaced(
      `deploy/kubernetes/overlays/${overlay}/kustomization.yaml`,
      /(?<=newName: \S+\/visage\n\s+newTag: )\S+/,
      version,
      'the "newTag" of the image of Visage',
    ),
  ),
];
// Only now, so that a file without its place leaves all of them as they are.
for (const [file, text] of changed) writeFileSync(file, text);

function replaced(file, pattern, replacement, place) {
  const text = readFileSync(file, 'utf8');
  if (text.search(pattern) < 0) {
    console.error(
      `${file} lacks ${place}: run "git checkout package.json package-lock.json", add it, and start again.`,
    );
    process.exit(1);
  }
  return [file, text.replace(pattern, replacement)];
}
