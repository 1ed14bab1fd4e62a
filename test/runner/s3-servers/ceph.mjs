import { join } from 'node:path';
import { succeed } from '../processes.mjs';

const SCRIPT = 'test/support/ceph-rgw.sh';

/** Two gateways to one cluster in memory. On Debian, root gets the packages installed. */
export const ceph = {
  title: 'Ceph RGW',
  start: async (scratch) => {
    const folder = join(scratch, 'ceph');
    const stop = () => succeed(SCRIPT, ['down', folder], { quiet: true, toTheEnd: true });
    try {
      const variables = await succeed(SCRIPT, ['up', folder, '2'], { quiet: true });
      const version = await succeed('radosgw', ['--version'], { quiet: true });
      return {
        how: 'on this machine',
        environment: parseVariables(variables),
        version: /version (\d[\d.]*)/.exec(version)?.[1],
        stop,
      };
    } catch (error) {
      await stop();
      throw error;
    }
  },
};

function parseVariables(text) {
  return Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}
