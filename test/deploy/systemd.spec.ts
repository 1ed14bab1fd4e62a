import { readFile } from 'node:fs/promises';

describe('deploy/visage.service', () => {
  it('sets the same environment as the image, apart from the address to listen on', async () => {
    const [unit, image] = await Promise.all([
      readFile('deploy/visage.service', 'utf8'),
      readFile('Dockerfile', 'utf8'),
    ]);
    const [, block = ''] = /^ENV ((?:.*\\\n)*.*)$/m.exec(image) ?? [];
    const wanted = block.split(/[\s\\]+/).filter((variable) => !variable.startsWith('HOST='));
    expect(wanted).toContain('NODE_ENV=production');
    const set = [...unit.matchAll(/^Environment=(.*)$/gm)].map(([, variable]) => variable);
    expect(set).toEqual(expect.arrayContaining(wanted));
  });
});
