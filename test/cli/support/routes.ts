import { backends } from '../../support/backends.js';
import type { Backend } from '../../support/local.js';

const routes: { from: Backend; to: Backend; route: string }[] = backends.flatMap((from) =>
  backends.filter((to) => to !== from).map((to) => ({ from, to, route: `${from.name} to ${to.name}` })),
);

/** Runs a suite from each backend to each other one. */
export function describeRoutes(title: string, suite: (from: Backend, to: Backend) => void): void {
  for (const { from, to, route } of routes) {
    describe(`${title} from ${route}`, () => {
      suite(from, to);
    });
  }
  if (routes.length > 0) return;
  it('was left out by SKIP_S3=1', () => {
    expect(process.env['SKIP_S3']).toBe('1');
  });
}
