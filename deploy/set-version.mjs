// `npm version` runs this: the changelog and the Kubernetes manifests follow the version in package.json.
import { readFileSync, writeFileSync } from 'node:fs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const today = new Date().toISOString().slice(0, 10);

replace('CHANGELOG.md', /^## Unreleased\n(?=\s+###)/m, `## Unreleased\n\n## ${version} - ${today}\n`);
replace('deploy/kubernetes/README.md', /(?<=\/visage:)\d[\w.-]*/g, version);
for (const overlay of ['aws', 'minio']) {
  const file = `deploy/kubernetes/overlays/${overlay}/kustomization.yaml`;
  replace(file, /(?<=newName: \S+\/visage\n\s+newTag: )\S+/, version);
}

function replace(file, pattern, replacement) {
  const text = readFileSync(file, 'utf8');
  if (text.search(pattern) < 0) throw new Error(`${file} has nothing that matches ${String(pattern)}`);
  writeFileSync(file, text.replace(pattern, replacement));
}
