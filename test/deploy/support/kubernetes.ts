import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import type { IPodTemplateSpec } from 'kubernetes-models/v1/PodTemplateSpec';
import { parseAllDocuments } from 'yaml';
import { testS3 } from '../../support/s3.js';

/** An object of Kubernetes, as it was rendered. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; annotations?: Record<string, string> };
  spec?: unknown;
  data?: Record<string, string>;
}

/** What Deployments, StatefulSets and Jobs have in common. */
export type Workload = KubernetesObject & {
  spec: { template: IPodTemplateSpec; selector?: { matchLabels: Record<string, string> } };
};

const FOLDER = 'deploy/kubernetes';

/** Renders an overlay as `kubectl apply -k` would, with components added to it. */
export function render(overlay: string, components: string[] = []): KubernetesObject[] {
  // Outside of a repository there is no kustomization that a test could spoil; resources are given relative to it.
  const folder = mkdtempSync(join(tmpdir(), 'visage-kustomize-'));
  const at = (path: string) => relative(folder, resolve(FOLDER, path));
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [at(overlay)],
    components: components.map((component) => at(component)),
  };
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
  const yaml = execFileSync('kubectl', ['kustomize', folder], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  return parseAllDocuments(yaml).map((document) => document.toJS() as KubernetesObject);
}

export function isWorkload(object: KubernetesObject): object is Workload {
  return ['Deployment', 'StatefulSet', 'Job'].includes(object.kind);
}

const UNITS: Record<string, number> = {
  '': 1,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  k: 1e3,
  M: 1e6,
  G: 1e9,
};

/** Bytes of a quantity such as `1536Mi`. */
export function bytesOf(quantity: string | number | undefined): number {
  const [, number, unit = ''] = /^(\d+)([KMG]i|[kMG])?$/.exec(String(quantity)) ?? [];
  if (number === undefined) throw new Error(`not a quantity of bytes: ${quantity}`);
  return Number(number) * (UNITS[unit] ?? NaN);
}
