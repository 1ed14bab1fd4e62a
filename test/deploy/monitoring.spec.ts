import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { everyMetric, labelsOf } from '../ops/support.js';
import type { Metric } from '../support/scrape.js';
import { needs } from '../support/tools.js';

const ALERTS = 'deploy/prometheus/alerts.yml';
const ALERT_TESTS = 'deploy/prometheus/alerts.test.yml';
const DASHBOARD = 'deploy/grafana/visage.json';

interface Rule {
  alert: string;
  expr: string;
  labels: Record<string, string>;
  annotations: { summary: string; description: string; runbook: string };
}

interface Rules {
  groups: { rules: Rule[] }[];
}

interface Panel {
  id: number;
  title: string;
  type: string;
  datasource?: { uid: string };
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; datasource: { uid: string } }[];
}

const { groups } = parse(readFileSync(ALERTS, 'utf8')) as Rules;
const rules = groups.flatMap((group) => group.rules);
const dashboard = JSON.parse(readFileSync(DASHBOARD, 'utf8')) as { panels: Panel[] };
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({ title, expr: expr.replaceAll('$__rate_interval', '5m') })),
);

/** The words of PromQL that are not names of metrics. Functions are not among them: a parenthesis follows those. */
const WORDS = new Set(['and', 'or', 'unless', 'by', 'without', 'on', 'ignoring', 'group_left', 'bool']);

/** The metrics in an expression, each with the labels by which it selects. */
function selectorsOf(expr: string): { name: string; labels: string[] }[] {
  const bare = expr
    .replaceAll(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ');
  return [...bare.matchAll(/([a-z_:][\w:]*)\s*(\(|\{((?:[^"}]|"[^"]*")*)\})?/gi)].flatMap(
    ([, name = '', after, matchers = '']) => {
      if (after === '(' || WORDS.has(name)) return [];
      return [
        { name, labels: [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)"/g)].map(([, label = '']) => label) },
      ];
    },
  );
}

const promtool = (...options: string[]) =>
  execFileSync('promtool', options, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

describe('alerts and dashboard', () => {
  let metrics: Map<string, Metric>;
  beforeAll(async () => {
    metrics = await everyMetric();
  });

  /** The metrics and labels in an expression that the service does not have. */
  const unknownTo = (expr: string) =>
    selectorsOf(expr).flatMap(({ name, labels }) => {
      const metric = metrics.get(name) ?? metrics.get(name.replace(/_(?:bucket|sum|count)$/, ''));
      if (!metric) return [name];
      // Prometheus adds the first two, the format of histograms the third.
      const known = new Set(['job', 'instance', 'le', ...labelsOf(metric)]);
      return labels.filter((label) => !known.has(label)).map((label) => `${name}{${label}}`);
    });

  it('finds a metric or a label that does not exist', () => {
    expect(unknownTo('sum by (x) (rate(visage_none_total{code="a"}[5m])) > 1')).toEqual([
      'visage_none_total',
    ]);
    expect(unknownTo('visage_build_info{color="red}"} and on (job) up')).toEqual([
      'visage_build_info{color}',
      'up',
    ]);
    expect(unknownTo('visage_build_info{version="1",job="a"}')).toEqual([]);
  });

  it.each(rules)('$alert queries metrics that the service has', ({ expr, labels, annotations }) => {
    expect(selectorsOf(expr)).not.toEqual([]);
    expect(unknownTo(expr)).toEqual([]);
    expect(['page', 'ticket']).toContain(labels['severity']);
    expect(Object.keys(annotations).sort()).toEqual(['description', 'runbook', 'summary']);
  });

  it('says what to do about each alert in the document that the rules name', () => {
    const runbooks = new Set(rules.map(({ annotations }) => annotations.runbook));
    const documented = [...runbooks].flatMap((runbook) => {
      const [path = '', anchor = ''] = runbook.split('#');
      const [, section = ''] = readFileSync(path, 'utf8').toLowerCase().split(`\n## ${anchor}\n`);
      return [...(section.split('\n## ')[0] ?? '').matchAll(/^\| `(\w+)` +\| (\w+) +\|/gm)];
    });
    expect(documented.map(([, alert, severity]) => [alert, severity])).toEqual(
      rules.map(({ alert, labels }) => [alert.toLowerCase(), labels['severity']]),
    );
  });

  it.each(queries)('$title queries metrics that the service has: $expr', ({ expr }) => {
    expect(selectorsOf(expr)).not.toEqual([]);
    expect(unknownTo(expr)).toEqual([]);
  });

  needs('promtool')('for Prometheus', () => {
    it('has valid alerts that fire when they should', () => {
      expect(promtool('check', 'rules', '--lint-fatal', ALERTS)).toContain(
        `SUCCESS: ${rules.length} rules found`,
      );
      expect(promtool('test', 'rules', ALERT_TESTS)).toContain('SUCCESS');
      const tests = readFileSync(ALERT_TESTS, 'utf8');
      for (const { alert } of rules) expect(tests).toMatch(new RegExp(`${alert}\\b`));
    });

    it('has a dashboard with valid queries', () => {
      const folder = mkdtempSync(join(tmpdir(), 'visage-monitoring-'));
      try {
        const path = join(folder, 'queries.yml');
        const records = queries.map(({ expr }, index) => ({ record: `query:${index}`, expr }));
        writeFileSync(path, JSON.stringify({ groups: [{ name: 'queries', rules: records }] }));
        expect(promtool('check', 'rules', path)).toContain(`SUCCESS: ${records.length} rules found`);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });

  it('have panels that do not overlap', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    for (const { targets = [] } of panels) {
      for (const { datasource } of targets) expect(datasource.uid).toBe('${datasource}');
    }
  });
});
