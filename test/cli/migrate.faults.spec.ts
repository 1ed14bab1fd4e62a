import { manifestKey, pictureKey } from '../../src/model/keys.js';
import type { ObjectStore } from '../../src/storage/object-store.js';
import { backends, openBackend } from '../support/backends.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { testS3 } from '../support/s3.js';
import type { Environment } from '../support/service.js';
import { checksums, putAvatar, sample } from './support/avatars.js';
import { reportOf, visage } from './support/program.js';

const picture = await sample(0);

const MIGRATE = ['migrate', '--from', 'local', '--to', 's3'];

if (testS3) {
  const { endpoint } = testS3;

  describe('migrate through a network that fails', () => {
    let proxy: FaultProxy;
    let environment: Environment;
    let source: ObjectStore;
    let target: ObjectStore;

    beforeEach(async () => {
      proxy = await FaultProxy.start(endpoint);
      const [local, bucket] = await Promise.all(backends.map((backend) => backend.environment()));
      if (!local || !bucket) throw new Error('there are two backends');
      [source, target] = [openBackend(local), openBackend(bucket)];
      const short = { STORAGE_S3_ENDPOINT: proxy.url, STORAGE_S3_TIMEOUT_MS: '3000' };
      environment = { ...local, ...bucket, ...short };
    });
    afterEach(() => proxy.stop());

    it('writes no manifest over a picture that does not read back as it was written, and repairs it later', async () => {
      const { versions } = await putAvatar(source, 'alice', [picture]);
      const master = pictureKey('alice', versions[0]?.version ?? '', 'master.jpeg');
      proxy.rule({ operation: 'GetObject', key: new RegExp(master), fault: { type: 'truncated' } });
      const report = await reportOf<{ settled: boolean }>(environment, ...MIGRATE);
      expect(report).toMatchObject({
        code: 1,
        settled: false,
        unfinished: expect.stringMatching(/Not settled: .* in all 5 passes\. Run it again/) as string,
      });
      expect(report.findings).toMatchObject([{ code: 'wrong_checksum', where: master }]);
      expect(await target.exists(manifestKey('alice'))).toBe(false);
      proxy.clear();
      expect(await reportOf(environment, ...MIGRATE)).toMatchObject({
        code: 0,
        same: 1,
        copied: 1,
        findings: [],
      });
      expect(await checksums(target)).toEqual(await checksums(source));
    });

    it('tries a picture that did not read back again in the next pass', async () => {
      await putAvatar(source, 'alice', [picture]);
      proxy.rule({ operation: 'GetObject', key: /master/, fault: { type: 'truncated' }, times: 1 });
      expect(await reportOf(environment, ...MIGRATE)).toMatchObject({ code: 0, settled: true, findings: [] });
      expect(await checksums(target)).toEqual(await checksums(source));
    });

    it('ends with exit code 3 when the bucket goes away, and goes on from there when it is back', async () => {
      for (let i = 0; i < 8; i++) await putAvatar(source, `user-${i}`, [picture]);
      proxy.rule({ operation: 'PutObject', key: /avatars/, skip: 5, fault: { type: 'refused' } });
      expect(await visage(environment, ...MIGRATE, '--json')).toMatchObject({ code: 3, stdout: '' });
      proxy.clear();
      await proxy.resume();
      expect(await reportOf(environment, ...MIGRATE)).toMatchObject({ code: 0, settled: true, findings: [] });
      expect(await checksums(target)).toEqual(await checksums(source));
    });
  });
} else {
  it('was left out by SKIP_S3=1', () => {
    expect(process.env['SKIP_S3']).toBe('1');
  });
}
