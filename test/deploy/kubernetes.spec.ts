import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import type { IService } from 'kubernetes-models/v1/Service';
import { loadSettings } from '../../src/config/load-settings.js';
import { Settings, variableOf } from '../../src/config/settings.js';
import { send } from '../http/support/client.js';
import { createBucket, testS3 } from '../support/s3.js';
import { startService } from '../support/service.js';
import {
  type KubernetesObject,
  type Workload,
  bytesOf,
  complaintsAbout,
  isWorkload,
  render,
} from './support/kubernetes.js';

const README = readFileSync('deploy/kubernetes/README.md', 'utf8');

const VARIANTS = [
  { name: 'aws', objects: render('overlays/aws'), outbox: false },
  { name: 'aws with an outbox', objects: render('overlays/aws', ['components/outbox']), outbox: true },
  { name: 'minio', objects: render('overlays/minio'), outbox: true },
];

/** What an operator makes by hand, as README.md says. */
const SECRETS: Record<string, Record<string, string>> = {
  visage: { API_KEYS: createHash('sha256').update('key').digest('hex') },
  minio: {
    'root-user': testS3?.accessKeyId ?? 'user',
    'root-password': testS3?.secretAccessKey ?? 'password',
  },
};

describe('the check of the schemas', () => {
  it.each<[string, (spec: Record<string, unknown>) => void, RegExp]>([
    ['an unknown field', (spec) => (spec['nonsense'] = 1), /'"nonsense"' does not exist/],
    [
      'a number that is a word',
      (spec) => (spec['minReadySeconds'] = 'soon'),
      /'string' is not assignable to type 'number'/,
    ],
    [
      'a missing field',
      (spec) => delete spec['selector'],
      /'selector' is missing|required property 'selector'/,
    ],
  ])('finds %s', async (_, spoil, complaint) => {
    const deployment = structuredClone(VARIANTS[0]?.objects.find(({ kind }) => kind === 'Deployment'));
    if (!deployment) throw new Error('no deployment');
    expect(await complaintsAbout([deployment])).toEqual([]);
    spoil(deployment.spec as Record<string, unknown>);
    expect((await complaintsAbout([deployment])).join('\n')).toMatch(complaint);
  });
});

describe.each(VARIANTS)('Kubernetes: $name', ({ name, objects, outbox }) => {
  const all = <T>(kind: string) =>
    objects.filter((object) => object.kind === kind) as (KubernetesObject & T)[];
  const only = <T>(kind: string, called: string): KubernetesObject & T => {
    const found = all<T>(kind).filter(({ metadata }) => metadata.name === called);
    expect(found.map(({ metadata }) => metadata.name)).toEqual([called]);
    return found[0] as KubernetesObject & T;
  };
  const workloads = objects.filter(isWorkload);
  const visage = only<Workload>(outbox ? 'StatefulSet' : 'Deployment', 'visage');
  const pod = podOf(visage);
  const [container] = pod.containers;
  if (!container) throw new Error('no container');
  const environment = environmentOf(container, objects);
  const { settings, complaints } = loadSettings({ NODE_ENV: 'production', ...environment }, '/nonexistent');

  it('is what the schemas of Kubernetes ask for, without unknown fields', async () => {
    expect(await complaintsAbout(objects)).toEqual([]);
  });

  it.each(workloads.map((workload) => [workload.metadata.name, workload] as const))(
    'locks %s in',
    (_, workload) => {
      const spec = podOf(workload);
      expect(spec).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1000,
          runAsGroup: 1000,
          seccompProfile: { type: 'RuntimeDefault' },
        },
      });
      for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) expect(spec).not.toHaveProperty(field);
      expect(spec.volumes?.every((volume) => volume.emptyDir?.sizeLimit !== undefined)).toBe(true);
      for (const each of [...spec.containers, ...(spec.initContainers ?? [])]) {
        expect(each.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(each.image).toMatch(/:(?!latest$)[\w.-]+$/);
        expect(each.resources?.requests).toMatchObject({
          cpu: expect.anything() as unknown,
          memory: expect.anything() as unknown,
        });
        expect(each.resources?.limits).toHaveProperty('memory');
        const written = (each.env ?? [])
          .filter(({ value }) => value !== undefined)
          .map((entry) => entry.name);
        expect(written.filter((variable) => /KEY|SECRET|PASSWORD|USER/.test(variable))).toEqual([]);
      }
      only('ServiceAccount', spec.serviceAccountName ?? '');
    },
  );

  it('puts everything into one namespace that holds pods to the restricted standard', () => {
    expect(only<{ metadata: { labels: object } }>('Namespace', 'visage').metadata.labels).toMatchObject({
      'pod-security.kubernetes.io/enforce': 'restricted',
    });
    for (const { kind, metadata } of objects) {
      if (kind !== 'Namespace') expect(metadata.namespace).toBe('visage');
    }
  });

  it('holds no secret, and asks for those that its README has made', () => {
    expect(all('Secret')).toEqual([]);
    for (const { data = {} } of all('ConfigMap')) {
      expect(Object.keys(data).filter((key) => /API_KEYS|ACCESS_KEY/.test(key))).toEqual([]);
    }
    const references = workloads
      .flatMap((workload) => podOf(workload).containers)
      .flatMap(({ env = [] }) => env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []));
    expect(references).not.toEqual([]);
    for (const { name: secret = '', key } of references) {
      expect(SECRETS[secret]).toHaveProperty(key);
      expect(README).toMatch(new RegExp(`create secret generic ${secret}\\b[^]*?--from-literal=${key}=`));
    }
  });

  it('matches pods wherever it selects some', () => {
    const matching = (selector: Selector | undefined) =>
      workloads
        .filter(({ spec }) => selects(selector, spec.template.metadata?.labels ?? {}))
        .map(({ metadata }) => metadata.name);
    for (const { metadata, spec } of workloads) {
      if (spec.selector) expect(matching(spec.selector)).toEqual([metadata.name]);
    }
    for (const { metadata, spec } of all<IService>('Service')) {
      expect(matching({ matchLabels: spec?.selector ?? {} })).toEqual([metadata.name]);
      const ports = workloads
        .filter((each) => each.metadata.name === metadata.name)
        .flatMap((each) => portsOf(each));
      for (const { targetPort } of spec?.ports ?? []) expect(ports).toContain(targetPort);
    }
    for (const { spec } of all<IPodDisruptionBudget>('PodDisruptionBudget')) {
      expect(matching(spec?.selector)).toEqual(['visage']);
    }
    for (const { topologyKey, labelSelector } of pod.topologySpreadConstraints ?? []) {
      expect([topologyKey, matching(labelSelector)]).toEqual([topologyKey, ['visage']]);
    }
    const selected = all<INetworkPolicy>('NetworkPolicy').map(({ metadata, spec }) => [
      metadata.name,
      matching(spec?.podSelector),
    ]);
    const everybody = workloads.map(({ metadata }) => metadata.name);
    expect(Object.fromEntries(selected)).toEqual({
      'default-deny': everybody,
      visage: ['visage'],
      ...(name === 'minio'
        ? { minio: ['minio'], 'to-minio': everybody.filter((each) => each !== 'minio') }
        : { 'to-aws': ['visage'] }),
    });
    const {
      scaleTargetRef,
      minReplicas = 0,
      behavior,
    } = only<IHorizontalPodAutoscaler>('HorizontalPodAutoscaler', 'visage').spec ?? {};
    expect(scaleTargetRef).toEqual({
      apiVersion: visage.apiVersion,
      kind: visage.kind,
      name: visage.metadata.name,
    });
    expect(visage.spec).not.toHaveProperty('replicas');
    expect(minReplicas).toBeGreaterThan(1);
    expect(behavior?.scaleDown?.selectPolicy).toBe(outbox ? 'Disabled' : undefined);
  });

  it('sets what are settings, and none that the service would refuse', () => {
    const known = Object.keys(new Settings()).map(variableOf);
    expect(Object.keys(environment).filter((variable) => !known.includes(variable))).toEqual([]);
    expect(complaints).toEqual([]);
    expect(settings).toMatchObject({
      storageBackend: 's3',
      host: '0.0.0.0',
      storageFallback: outbox ? 'local' : 'none',
    });
    expect(portsOf(visage)).toEqual(['http']);
    expect(container.ports?.[0]?.containerPort).toBe(settings.port);
    expect(visage.spec.template.metadata?.annotations).toMatchObject({
      'prometheus.io/port': String(settings.port),
    });
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(container.image).toMatch(new RegExp(`/visage:${version}$`));
  });

  it('gives the service what its settings may take', () => {
    const { limits = {}, requests = {} } = container.resources ?? {};
    const pictures = 2 * settings.imageConcurrency * 4 * settings.avatarMaxPixels;
    expect(bytesOf(limits['memory'])).toBeGreaterThan(160 * 2 ** 20 + settings.cacheBytes + pictures);
    const sizeLimit = bytesOf(pod.volumes?.find((volume) => volume.name === 'tmp')?.emptyDir?.sizeLimit);
    expect(sizeLimit).toBeGreaterThan(settings.uploadConcurrency * (settings.avatarMaxSizeBytes + 64 * 1024));
    expect(bytesOf(limits['ephemeral-storage'])).toBeGreaterThan(sizeLimit);
    expect(bytesOf(requests['ephemeral-storage'])).toBeLessThanOrEqual(bytesOf(limits['ephemeral-storage']));
    const mounts = (container.volumeMounts ?? []).map(({ mountPath }) => mountPath);
    expect(mounts).toContain(settings.uploadSpoolPath);
    expect(settings.outboxPath.startsWith('/data/') && mounts.includes('/data')).toBe(outbox);
  });

  it('stops and rolls out without cutting anybody off', () => {
    const { terminationGracePeriodSeconds = 30 } = pod;
    expect(terminationGracePeriodSeconds * 1000).toBeGreaterThan(
      settings.shutdownTimeoutMs + settings.shutdownDrainMs,
    );
    const { startupProbe, livenessProbe, readinessProbe } = container;
    expect([startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet?.path)).toEqual([
      '/health/live',
      '/health/live',
      '/health/ready',
    ]);
    for (const probe of [startupProbe, livenessProbe, readinessProbe])
      expect(probe?.httpGet?.port).toBe('http');
    if (!outbox) {
      expect(visage.spec).toMatchObject({ strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } } });
      return;
    }
    const { volumeClaimTemplates, ...rest } = visage.spec as unknown as {
      volumeClaimTemplates: { spec: { resources: { requests: { storage: string } } } }[];
    };
    expect(rest).toMatchObject({
      persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
    });
    const [claim] = volumeClaimTemplates.map(({ spec }) => bytesOf(spec.resources.requests.storage));
    expect(claim).toBeGreaterThan(1.5 * settings.outboxMaxBytes);
  });

  it('has the service start with these settings, and answer where it is probed and scraped', async () => {
    const bucket = testS3 ? await createBucket(testS3) : 'visage-none';
    const { OUTBOX_PATH: _outbox, UPLOAD_SPOOL_PATH: _spool, ...rest } = environment;
    const service = await startService({
      ...rest,
      NODE_ENV: 'production',
      // What is the pod's own.
      HOST: '127.0.0.1',
      PORT: '0',
      STORAGE_S3_ENDPOINT: testS3?.endpoint ?? 'http://127.0.0.1:1',
      STORAGE_S3_BUCKET: bucket,
      STORAGE_S3_USE_PATH_STYLE: 'true',
      STORAGE_S3_ACCESS_KEY_ID: testS3?.accessKeyId ?? 'none',
      STORAGE_S3_SECRET_ACCESS_KEY: testS3?.secretAccessKey ?? 'none',
    });
    const status = async (path: string | undefined) => (await send(service.url, { path: path ?? '' })).status;
    expect(await status(container.startupProbe?.httpGet?.path)).toBe(200);
    expect(await status(container.livenessProbe?.httpGet?.path)).toBe(200);
    expect(await status(container.readinessProbe?.httpGet?.path)).toBe(testS3 || outbox ? 200 : 503);
    expect(await status(visage.spec.template.metadata?.annotations?.['prometheus.io/path'])).toBe(200);
    expect(await service.stop()).toBe(0);
  });
});

describe('Kubernetes on AWS', () => {
  const [aws] = VARIANTS;

  it('has a role and no keys, and does not reach the role of its node', () => {
    const text = JSON.stringify(aws?.objects);
    expect(text).toMatch(/"eks.amazonaws.com\/role-arn":"arn:aws:iam::\d{12}:role\//);
    expect(text).not.toMatch(/ACCESS_KEY/);
    expect(text).toContain('"except":["169.254.169.254/32"]');
  });
});

describe('Kubernetes with MinIO', () => {
  const minio = VARIANTS.find(({ name }) => name === 'minio')?.objects ?? [];

  it('makes the bucket that Visage uses, where it asks for it', () => {
    const [job, settings] = ['Job', 'ConfigMap'].map((kind) => minio.find((object) => object.kind === kind));
    const bucket = settings?.data?.['STORAGE_S3_BUCKET'];
    expect(podOf(job as Workload).containers[0]?.env).toContainEqual({
      name: 'STORAGE_S3_BUCKET',
      value: bucket,
    });
    const service = minio.find(
      ({ kind, metadata }) => kind === 'Service' && metadata.name === 'minio',
    ) as IService;
    const url = `http://minio:${service.spec?.ports?.[0]?.port ?? ''}`;
    expect(settings?.data?.['STORAGE_S3_ENDPOINT']).toBe(url);
    expect(podOf(job as Workload).containers[0]?.args?.join()).toContain(url);
  });
});

type Container = NonNullable<Workload['spec']['template']['spec']>['containers'][number];
interface Selector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}

function podOf({ spec }: Workload) {
  if (!spec.template.spec) throw new Error('no pod');
  return spec.template.spec;
}

function portsOf(workload: Workload): unknown[] {
  return podOf(workload).containers.flatMap(({ ports = [] }) => ports.map((port) => port.name));
}

function selects(selector: Selector | undefined, labels: Record<string, string>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return (
    Object.entries(matchLabels).every(([label, value]) => labels[label] === value) &&
    matchExpressions.every(
      ({ key, operator, values = [] }) => operator === 'In' && values.includes(labels[key] ?? ''),
    )
  );
}

/** The variables that a container gets. @throws Error where it refers to what is not there */
function environmentOf(
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
