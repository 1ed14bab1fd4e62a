import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IService } from 'kubernetes-models/v1/Service';
import { CDN_CHECK } from '../../src/cdn/check-settings.js';
import { loadSettings } from '../../src/config/load-settings.js';
import { SETTINGS, type Settings, variableOf } from '../../src/config/settings.js';
import { send } from '../http/support/client.js';
import { createBucket, testS3 } from '../support/s3.js';
import { opsUrlOf, startService } from '../support/service.js';
import { needs } from '../support/tools.js';
import {
  type Container,
  MINIO,
  VARIANTS,
  type Workload,
  bytesOf,
  environmentOf,
  objectsOf,
  podOf,
} from './support/kubernetes.js';

const GIB = 2 ** 30;

/** The memory that a service may need, in bytes: the formula in docs/deploying.md, "Sizing". */
function mostMemory(settings: Settings): number {
  const { cacheBytes, answerBytes, maxConnections, imageConcurrency } = settings;
  const pictures = 2 * imageConcurrency * 4 * settings.avatarMaxPixels;
  const sheets = Math.max(1, imageConcurrency - 1) * 20 * settings.sheetMaxPixels;
  return 160 * 2 ** 20 + cacheBytes + answerBytes + 8 * 1024 * maxConnections + pictures + sheets;
}

needs('kubectl').each(VARIANTS)('the settings on Kubernetes: $name', (variant) => {
  const { outbox } = variant;
  let folder: string;
  let visage: Workload;
  let pod: ReturnType<typeof podOf>;
  let container: Container;
  let environment: Record<string, string>;
  let settings: Settings;
  let complaints: string[];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'visage-kubernetes-'));
    const objects = objectsOf(variant);
    const kind = outbox ? 'StatefulSet' : 'Deployment';
    visage = objects.find((each) => each.kind === kind && each.metadata.name === 'visage') as Workload;
    pod = podOf(visage);
    [container] = pod.containers as [Container];
    environment = environmentOf(container, objects);
    ({ settings, complaints } = loadSettings(
      { NODE_ENV: 'production', ...environment },
      CDN_CHECK,
      '/nonexistent',
    ));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('uses only real settings, with values that the service accepts', () => {
    const known = SETTINGS.map(variableOf);
    expect(Object.keys(environment).filter((variable) => !known.includes(variable))).toEqual([]);
    expect(complaints).toEqual([]);
    expect(settings).toMatchObject({
      storageBackend: 's3',
      host: '0.0.0.0',
      storageFallback: outbox ? 'local' : 'none',
    });
    // On AWS, a role has none.
    const keys = ['STORAGE_S3_ACCESS_KEY_ID', 'STORAGE_S3_SECRET_ACCESS_KEY'];
    const expected = variant.overlay === MINIO.overlay ? keys : [];
    expect(keys.filter((key) => key in environment)).toEqual(expected);
    expect(container.ports).toEqual([
      { name: 'http', containerPort: settings.port },
      { name: 'ops', containerPort: settings.opsPort },
    ]);
    expect(visage.spec.template.metadata?.annotations).toMatchObject({
      'prometheus.io/port': String(settings.opsPort),
    });
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(container.image).toMatch(new RegExp(`/visage:${version}$`));
  });

  it('gives the service the resources that its settings may use', () => {
    const { limits = {}, requests = {} } = container.resources ?? {};
    const memory = mostMemory(settings);
    const limit = bytesOf(limits['memory']);
    expect(limit).toBeGreaterThan(memory);
    const readme = readFileSync('deploy/kubernetes/README.md', 'utf8');
    const [, most, limited] =
      /up to ([\d.]+) GiB with these settings, limited to ([\d.]+) GiB/.exec(readme) ?? [];
    expect([most, Number(limited)]).toEqual([(memory / GIB).toFixed(2), limit / GIB]);
    const sizeLimit = bytesOf(pod.volumes?.find((volume) => volume.name === 'tmp')?.emptyDir?.sizeLimit);
    expect(sizeLimit).toBeGreaterThan(settings.uploadConcurrency * (settings.avatarMaxSizeBytes + 64 * 1024));
    expect(bytesOf(limits['ephemeral-storage'])).toBeGreaterThan(sizeLimit);
    expect(bytesOf(requests['ephemeral-storage'])).toBeLessThanOrEqual(bytesOf(limits['ephemeral-storage']));
    const mounts = (container.volumeMounts ?? []).map(({ mountPath }) => mountPath);
    expect(mounts).toContain(settings.uploadSpoolPath);
    expect(settings.outboxPath.startsWith('/data/') && mounts.includes('/data')).toBe(outbox);
  });

  it('stops and rolls out without cutting off any request', () => {
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
      expect(probe?.httpGet?.port).toBe('ops');
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

  it('starts the service with these settings, and it answers the probes and the scrape', async () => {
    const bucket = testS3 ? await createBucket(testS3) : 'visage-none';
    const disks = {
      UPLOAD_SPOOL_PATH: mkdtempSync(join(folder, 'spool-')),
      OUTBOX_PATH: mkdtempSync(join(folder, 'outbox-')),
    };
    const service = await startService({
      ...environment,
      ...disks,
      NODE_ENV: 'production',
      // What is the pod's own.
      HOST: '127.0.0.1',
      PORT: '0',
      OPS_PORT: '0',
      SHUTDOWN_DRAIN_MS: '0',
      // Where the bucket of the tests is.
      STORAGE_S3_ENDPOINT: testS3?.endpoint ?? 'http://127.0.0.1:1',
      STORAGE_S3_REGION: 'us-east-1',
      STORAGE_S3_BUCKET: bucket,
      STORAGE_S3_USE_PATH_STYLE: 'true',
      STORAGE_S3_ACCESS_KEY_ID: testS3?.accessKeyId ?? 'none',
      STORAGE_S3_SECRET_ACCESS_KEY: testS3?.secretAccessKey ?? 'none',
    });
    const paths = [
      container.startupProbe?.httpGet?.path,
      container.livenessProbe?.httpGet?.path,
      container.readinessProbe?.httpGet?.path,
      visage.spec.template.metadata?.annotations?.['prometheus.io/path'],
    ];
    try {
      const statuses = [];
      for (const path of paths) statuses.push((await send(opsUrlOf(service), { path: path ?? '' })).status);
      // Without a server for the tests, the bucket was never reached.
      expect(statuses).toEqual([200, 200, testS3 ? 200 : 503, 200]);
    } finally {
      expect(await service.stop()).toBe(0);
    }
  });
});

needs('kubectl')('Kubernetes with MinIO', () => {
  it('creates the bucket that Visage uses, on the MinIO that it uses', () => {
    const objects = objectsOf(MINIO);
    const [service, server] = ['Service', 'StatefulSet'].map((kind) =>
      objects.find((object) => object.kind === kind && object.metadata.name === 'minio'),
    );
    const settings = objects.find(({ kind }) => kind === 'ConfigMap')?.data;
    const [port] = (service as IService).spec?.ports ?? [];
    expect(settings?.['STORAGE_S3_ENDPOINT']).toBe(`http://minio:${port?.port ?? ''}`);
    const [minio] = podOf(server as Workload).containers;
    expect(minio?.ports).toContainEqual({ name: port?.targetPort, containerPort: 9000 });
    expect(minio?.env).toContainEqual({ name: 'STORAGE_S3_BUCKET', value: settings?.['STORAGE_S3_BUCKET'] });
  });

  it('can change the tag of MinIO at any moment: no object of it is immutable', () => {
    const kinds = objectsOf(MINIO).filter((object) => JSON.stringify(object).includes('quay.io/minio'));
    expect(kinds.map(({ kind }) => kind)).toEqual(['StatefulSet']);
  });
});
