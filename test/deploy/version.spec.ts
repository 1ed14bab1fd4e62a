import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

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

const PACKAGES = ['web/package.json', 'clients/typescript/package.json'];

describe('set-version.mjs', () => {
  const script = resolve('deploy/set-version.mjs');
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'visage-version-'));
    cpSync(FOLDER, join(folder, FOLDER), { recursive: true });
    for (const file of PACKAGES) cpSync(file, join(folder, file));
    writeFileSync(join(folder, 'package.json'), '{"version":"9.8.7"}');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const run = (changelog: string) => {
    writeFileSync(join(folder, 'CHANGELOG.md'), changelog);
    const { status, stderr } = spawnSync(process.execPath, [script], { cwd: folder, encoding: 'utf8' });
    return { status, stderr, changelog: readFileSync(join(folder, 'CHANGELOG.md'), 'utf8') };
  };

  it('writes the version into the changelog and the manifests', () => {
    const { status, stderr, changelog } = run('## Unreleased\n\n### Added\n\n- This.\n');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(changelog).toMatch(/^## Unreleased\n\n## 9\.8\.7 - \d{4}-\d\d-\d\d\n\n### Added\n\n- This\.\n$/);
    const manifest = readFileSync(join(folder, FOLDER, 'overlays/aws/kustomization.yaml'), 'utf8');
    expect(manifest).toContain('newTag: 9.8.7');
    for (const file of PACKAGES) {
      expect(readFileSync(join(folder, file), 'utf8')).toContain('"version": "9.8.7"');
    }
  });

  it('says in one sentence that nothing is unreleased, and changes no file', () => {
    const empty = '## Unreleased\n\n## 9.8.6 - 2026-01-31\n\n### Added\n\n- That.\n';
    const { status, stderr, changelog } = run(empty);
    expect({ status, changelog }).toEqual({ status: 1, changelog: empty });
    expect(stderr).toMatch(/^CHANGELOG\.md lacks .* under "## Unreleased": run "git checkout .*\.\n$/);
  });

  it('changes no file if a manifest lacks the image', () => {
    const before = '## Unreleased\n\n### Added\n\n- This.\n';
    writeFileSync(join(folder, FOLDER, 'overlays/minio/kustomization.yaml'), 'resources: []\n');
    const { status, stderr, changelog } = run(before);
    expect({ status, changelog }).toEqual({ status: 1, changelog: before });
    expect(stderr).toMatch(/^deploy\/kubernetes\/overlays\/minio\/kustomization\.yaml lacks .*\n$/);
  });
});
