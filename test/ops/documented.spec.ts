import { readFileSync } from 'node:fs';
import { everyMetric, labelsOf } from './support.js';

const ROW = /^\| `(\w+)` +\| (\w+) +\| ([^|]*?) *\| (.*?) *\|$/gm;

it('docs/metrics.md lists every metric of Visage, correctly, and no other', async () => {
  const metrics = await everyMetric();
  const documented = [...readFileSync('docs/metrics.md', 'utf8').matchAll(ROW)].map(
    ([, name, type, labels, help]) => ({ name, type, labels, help }),
  );
  // Of the others, which the library and Node bring along, it lists the useful ones.
  const listed = [...metrics].filter(
    ([name]) => name.startsWith('visage_') || documented.some((row) => row.name === name),
  );
  const rows = listed.map(([name, metric]) => ({
    name,
    type: metric.type,
    labels: labelsOf(metric)
      .map((label) => `\`${label}\``)
      .join(', '),
    help: metric.help,
  }));
  const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
    (a.name ?? '').localeCompare(b.name ?? '');
  expect(documented.sort(byName)).toEqual(rows.sort(byName));
});
