import { readFileSync } from 'node:fs';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1/NetworkPolicy';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import type { IService } from 'kubernetes-models/v1/Service';
import { parse } from 'yaml';
import { needs } from '../support/tools.js';
import {
  AWS,
  MINIO,
  NAMESPACE_FILE,
  type KubernetesObject,
  SECRETS,
  type Selector,
  VARIANTS,
  type Workload,
  isWorkload,
  objectsOf,
  podOf,
  portsOf,
  selects,
} from './support/kubernetes.js';
import { complaintsAbout } from './support/schemas.js';

const README = readFileSync('deploy/kubernetes/README.md', 'utf8');

needs('kubectl')('the check of the schemas', () => {
  it.each<[string, (spec: Record<string, unknown>) => void, RegExp]>([
    ['an unknown field', (spec) => (spec['nonsense'] = 1), /'"nonsense"' does not exist/],
    [
      'a word in place of a number',
      (spec) => (spec['minReadySeconds'] = 'soon'),
      /'string' is not assignable to type 'number'/,
    ],
    ['a missing field', (spec) => delete spec['selector'], /must have required property selector/],
  ])('finds %s', async (_, spoil, complaint) => {
    const deployment = structuredClone(objectsOf(AWS).find(({ kind }) => kind === 'Deployment'));
    if (!deployment) throw new Error('no deployment');
    expect(await complaintsAbout([deployment])).toEqual([]);
    spoil(deployment.spec as Record<string, unknown>);
    expect((await complaintsAbout([deployment])).join('\n')).toMatch(complaint);
  });
});

needs('kubectl').each(VARIANTS)('Kubernetes: $name', (variant) => {
  const { outbox } = variant;
  let objects: KubernetesObject[];
  let workloads: Workload[];
  let visage: Workload | undefined;
  beforeAll(() => {
    objects = objectsOf(variant);
    workloads = objects.filter(isWorkload);
    visage = workloads.find(({ metadata }) => metadata.name === 'visage');
  });

  const named = (kind: string, name: string) => {
    const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
    expect(found.map(({ metadata }) => metadata.name)).toEqual([name]);
    return found[0];
  };
  const all = (kind: string) => objects.filter((object) => object.kind === kind);

  it('satisfies the Kubernetes schemas, without unknown fields', async () => {
    expect(await complaintsAbout(objects)).toEqual([]);
  });

  it('restricts every workload', () => {
    expect(workloads).not.toEqual([]);
    for (const workload of workloads) {
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
      named('ServiceAccount', spec.serviceAccountName ?? '');
    }
  });

  it('replaces a pod whose image cannot be pulled, once its tag is corrected', () => {
    const sets = workloads.filter(({ kind }) => kind === 'StatefulSet');
    for (const { spec } of sets) expect(spec).toMatchObject({ podManagementPolicy: 'Parallel' });
  });

  it('puts everything into one namespace, which is not deleted with it', () => {
    expect(all('Namespace')).toEqual([]);
    for (const { metadata } of objects) expect(metadata.namespace).toBe('visage');
  });

  it('contains no secret, and refers to the ones that its README creates', () => {
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

  it('has no selector without a pod', () => {
    const matching = (selector: Selector | undefined) =>
      workloads
        .filter(({ spec }) => selects(selector, spec.template.metadata?.labels ?? {}))
        .map(({ metadata }) => metadata.name);
    for (const { metadata, spec } of workloads) {
      if (spec.selector) expect(matching(spec.selector)).toEqual([metadata.name]);
    }
    for (const { metadata, spec } of all('Service') as (KubernetesObject & IService)[]) {
      expect(matching({ matchLabels: spec?.selector ?? {} })).toEqual([metadata.name]);
      const ports = workloads
        .filter((each) => each.metadata.name === metadata.name)
        .flatMap((each) => portsOf(each));
      for (const { targetPort } of spec?.ports ?? []) expect(ports).toContain(targetPort);
    }
    for (const { spec } of all('PodDisruptionBudget') as (KubernetesObject & IPodDisruptionBudget)[]) {
      expect(matching(spec?.selector)).toEqual(['visage']);
    }
    for (const { topologyKey, labelSelector } of (visage && podOf(visage).topologySpreadConstraints) ?? []) {
      expect([topologyKey, matching(labelSelector)]).toEqual([topologyKey, ['visage']]);
    }
    const selected = (all('NetworkPolicy') as (KubernetesObject & INetworkPolicy)[]).map(
      ({ metadata, spec }) => [metadata.name, matching(spec?.podSelector)],
    );
    const everybody = workloads.map(({ metadata }) => metadata.name);
    expect(Object.fromEntries(selected)).toEqual({
      'default-deny': everybody,
      visage: ['visage'],
      ...(variant.overlay === MINIO.overlay
        ? { minio: ['minio'], 'to-minio': ['visage'] }
        : { 'to-aws': ['visage'] }),
    });
    const {
      scaleTargetRef,
      minReplicas = 0,
      behavior,
    } = (named('HorizontalPodAutoscaler', 'visage') as IHorizontalPodAutoscaler).spec ?? {};
    expect(scaleTargetRef).toEqual({
      apiVersion: visage?.apiVersion,
      kind: visage?.kind,
      name: visage?.metadata.name,
    });
    expect(visage?.spec).not.toHaveProperty('replicas');
    expect(minReplicas).toBeGreaterThan(1);
    expect(behavior?.scaleDown?.selectPolicy).toBe(outbox ? 'Disabled' : undefined);
  });
});

describe(NAMESPACE_FILE, () => {
  const namespace = parse(readFileSync(NAMESPACE_FILE, 'utf8')) as KubernetesObject;

  it('enforces the restricted pod security standard, and warns about what it would refuse', async () => {
    expect(await complaintsAbout([namespace])).toEqual([]);
    expect(namespace.metadata).toEqual({
      name: 'visage',
      labels: {
        'pod-security.kubernetes.io/enforce': 'restricted',
        'pod-security.kubernetes.io/warn': 'restricted',
        'pod-security.kubernetes.io/audit': 'restricted',
      },
    });
  });

  it('is applied first, says the README', () => {
    const commands = [...README.matchAll(/^ *(kubectl .*)$/gm)].map(([, command]) => command);
    expect(commands[0]).toBe(`kubectl apply -f ${NAMESPACE_FILE}`);
  });
});

needs('kubectl')('Kubernetes on AWS', () => {
  it("has an IAM role and no keys, and cannot reach its node's role", () => {
    const text = JSON.stringify(objectsOf(AWS));
    expect(text).toMatch(/"eks.amazonaws.com\/role-arn":"arn:aws:iam::\d{12}:role\//);
    expect(text).not.toMatch(/ACCESS_KEY/);
    const policy = objectsOf(AWS).find(({ metadata }) => metadata.name === 'to-aws') as INetworkPolicy;
    expect(policy.spec?.egress?.flatMap(({ to = [] }) => to.map(({ ipBlock }) => ipBlock))).toEqual([
      { cidr: '0.0.0.0/0', except: ['169.254.169.254/32'] },
      { cidr: '::/0', except: ['fd00:ec2::254/128'] },
    ]);
  });
});
