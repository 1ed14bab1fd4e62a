import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { needs } from '../support/tools.js';
import {
  type Container,
  type KubernetesObject,
  MINIO,
  VARIANTS,
  type Workload,
  isWorkload,
  objectsOf,
  podOf,
} from './support/kubernetes.js';

/** How long `/health/ready` takes at most, whatever the bucket does. */
const READINESS_MS = 3000;

needs('kubectl').each(VARIANTS)('disruptions on Kubernetes: $name', (variant) => {
  let objects: KubernetesObject[];
  let visage: Workload;
  let container: Container;
  beforeAll(() => {
    objects = objectsOf(variant);
    visage = objects.find((each) => isWorkload(each) && each.metadata.name === 'visage') as Workload;
    [container] = podOf(visage).containers as [Container];
  });

  it('spreads over hosts, and over zones only if every node has a zone label', () => {
    const constraints = podOf(visage).topologySpreadConstraints ?? [];
    const zones = variant.overlay === 'overlays/aws' ? ['topology.kubernetes.io/zone'] : [];
    expect(constraints.map(({ topologyKey }) => topologyKey)).toEqual(['kubernetes.io/hostname', ...zones]);
    for (const constraint of constraints) {
      expect(constraint).toMatchObject({ maxSkew: 1, whenUnsatisfiable: 'ScheduleAnyway' });
    }
  });

  it('lets one of the fewest replicas go at a time, and several of the most, but never more than a third', () => {
    const autoscaler = objects.find(({ kind }) => kind === 'HorizontalPodAutoscaler');
    const budget = objects.find(({ kind }) => kind === 'PodDisruptionBudget');
    const { minReplicas = 0, maxReplicas = 0 } = (autoscaler as IHorizontalPodAutoscaler).spec ?? {};
    const { maxUnavailable } = (budget as IPodDisruptionBudget).spec ?? {};
    const [, percent] = /^(\d+)%$/.exec(String(maxUnavailable)) ?? [];
    // Kubernetes rounds up: https://kubernetes.io/docs/tasks/run-application/configure-pdb/#rounding-logic-when-specifying-percentages
    const allowed = (replicas: number) => Math.ceil((replicas * Number(percent)) / 100);
    expect(allowed(minReplicas)).toBe(1);
    expect(allowed(maxReplicas)).toBeGreaterThan(1);
    expect(allowed(maxReplicas)).toBeLessThanOrEqual(maxReplicas / 3);
  });

  it('restarts a frozen process soon, and stops one that works in its own time', () => {
    const { livenessProbe, readinessProbe } = container;
    const { periodSeconds = 10, failureThreshold = 3, terminationGracePeriodSeconds } = livenessProbe ?? {};
    expect(terminationGracePeriodSeconds).toBe(10);
    expect(periodSeconds * failureThreshold + 10).toBeLessThanOrEqual(40);
    expect(podOf(visage).terminationGracePeriodSeconds).toBeGreaterThan(10);
    // Otherwise a slow bucket would look like a replica that doesn't answer at all.
    expect((readinessProbe?.timeoutSeconds ?? 1) * 1000).toBeGreaterThan(READINESS_MS);
  });
});

needs('kubectl')('the bucket of MinIO on Kubernetes', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'visage-minio-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** Runs what MinIO's container runs after its start, with programs in place of `mc` and `sleep`. */
  function afterStart(mc: string) {
    const server = objectsOf(MINIO).find(
      ({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'minio',
    );
    const [container] = podOf(server as Workload).containers;
    const [program = '', ...parameters] = container?.lifecycle?.postStart?.exec?.command ?? [];
    for (const [name, script] of Object.entries({ mc, sleep: 'exit 0' })) {
      writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >>"${folder}/calls"\n${script}\n`);
      chmodSync(join(folder, name), 0o755);
    }
    const variables = { MINIO_ROOT_USER: 'user', MINIO_ROOT_PASSWORD: 'secret', STORAGE_S3_BUCKET: 'visage' };
    const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}`, ...variables };
    const { status } = spawnSync(program, parameters, { env });
    return { status, calls: readFileSync(join(folder, 'calls'), 'utf8').trimEnd().split('\n') };
  }

  const alias = 'mc alias set local http://127.0.0.1:9000 user secret';

  it('is made once MinIO answers', () => {
    const { status, calls } = afterStart(`[ "$1" != alias ] || [ "$(wc -l <"${folder}/calls")" -ge 3 ]`);
    expect(status).toBe(0);
    expect(calls).toEqual([alias, 'sleep 2', alias, 'mc mb --ignore-existing local/visage']);
  });

  it.each([
    ['MinIO never answers', '[ "$1" != alias ]'],
    ['the bucket cannot be made', '[ "$1" != mb ]'],
  ])('fails, so the container starts again, if %s', (_, mc) => {
    expect(afterStart(mc).status).toBe(1);
  });
});
