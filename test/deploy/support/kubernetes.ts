import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IPodTemplateSpec } from 'kubernetes-models/v1/PodTemplateSpec';
import { parse, parseAllDocuments } from 'yaml';
import { sumOf } from '../../support/api-keys.js';
import { testS3 } from '../../support/s3.js';
import { SIGNING_KEY } from '../../support/tickets.js';

/** A rendered Kubernetes object. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  spec?: unknown;
  data?: Record<string, string>;
}

/** What Deployments, StatefulSets and Jobs have in common. */
export type Workload = KubernetesObject & {
  spec: { template: IPodTemplateSpec; selector?: { matchLabels: Record<string, string> } };
};

const FOLDER = 'deploy/kubernetes';

/** An overlay that can be applied, as it is or with other components. */
export interface Variant {
  name: string;
  overlay: string;
  /** The components in place of the overlay's own. */
  components?: string[];
  outbox: boolean;
}

export const AWS: Variant = { name: 'aws', overlay: 'overlays/aws', outbox: false };
export const MINIO: Variant = { name: 'minio', overlay: 'overlays/minio', outbox: true };
export const VARIANTS = [
  AWS,
  { ...AWS, name: 'aws with an outbox', components: ['components/outbox'], outbox: true },
  MINIO,
  { ...MINIO, name: 'minio without an outbox', components: [], outbox: false },
];

/** The namespace, which is applied by hand and belongs to no overlay. */
export const NAMESPACE_FILE = `${FOLDER}/namespace.yaml`;

const rendered = new Map<Variant, KubernetesObject[]>();

/** The objects that `kubectl apply -k` would create for a variant. */
export function objectsOf(variant: Variant): KubernetesObject[] {
  const objects = rendered.get(variant) ?? render(variant);
  rendered.set(variant, objects);
  return objects;
}

function render({ overlay, components }: Variant): KubernetesObject[] {
  // Components are added and removed as README.md says: in a copy of the overlay, whose patches come after them.
  const folder = mkdtempSync(join(tmpdir(), 'visage-kustomize-'));
  cpSync(FOLDER, folder, { recursive: true });
  if (components) {
    const path = join(folder, overlay, 'kustomization.yaml');
    const kustomization = parse(readFileSync(path, 'utf8')) as object;
    const changed = { ...kustomization, components: components.map((name) => `../../${name}`) };
    writeFileSync(path, JSON.stringify(changed));
  }
  const yaml = execFileSync('kubectl', ['kustomize', join(folder, overlay)], { encoding: 'utf8' });
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

/** The bytes of a quantity such as `1536Mi`. */
export function bytesOf(quantity: string | number | undefined): number {
  const [, number, unit = ''] = /^(\d+)([KMG]i|[kMG])?$/.exec(String(quantity)) ?? [];
  if (number === undefined) throw new Error(`not a quantity of bytes: ${quantity}`);
  return Number(number) * (UNITS[unit] ?? NaN);
}

export type Container = NonNullable<Workload['spec']['template']['spec']>['containers'][number];
export interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

/** @throws Error where it has none */
export function podOf({ spec }: Workload) {
  if (!spec.template.spec) throw new Error('no pod');
  return spec.template.spec;
}

/** The names of its ports. */
export function portsOf(workload: Workload): unknown[] {
  return podOf(workload).containers.flatMap(({ ports = [] }) => ports.map((port) => port.name));
}

export function selects(selector: Selector | undefined, labels: Record<string, string>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return (
    Object.entries(matchLabels).every(([label, value]) => labels[label] === value) &&
    matchExpressions.every(
      ({ key, operator, values = [] }) => operator === 'In' && values.includes(labels[key] ?? ''),
    )
  );
}

/** The variables that a container gets. @throws {Error} if it refers to something that does not exist */
export function environmentOf(
  { envFrom = [], env = [] }: Container,
  objects: KubernetesObject[],
): Record<string, string> {
  const maps = envFrom.map(({ configMapRef }) => {
    const map = objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMapRef?.name,
    );
    if (!map?.data) throw new Error(`no ConfigMap ${configMapRef?.name ?? ''}`);
    return map.data;
  });
  const secrets = env.map(({ name, valueFrom }) => {
    const { name: secret = '', key = '' } = valueFrom?.secretKeyRef ?? {};
    const value = SECRETS[secret]?.[key];
    if (value === undefined) throw new Error(`no key ${key} in the secret ${secret}`);
    return [name, value] as const;
  });
  return Object.assign({}, ...maps, Object.fromEntries(secrets)) as Record<string, string>;
}

/** The secrets that an operator creates by hand, as README.md says. */
export const SECRETS: Record<string, Record<string, string>> = {
  visage: { API_KEYS: sumOf('key'), SIGNING_KEYS: SIGNING_KEY },
  minio: {
    'root-user': testS3?.accessKeyId ?? 'user',
    'root-password': testS3?.secretAccessKey ?? 'password',
  },
};
