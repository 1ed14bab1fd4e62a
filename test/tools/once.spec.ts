import { Once } from '../../src/tools/once.js';

describe('a task that has to succeed once', () => {
  it('is shared by all who come meanwhile, and not repeated', async () => {
    let runs = 0;
    const once = new Once(() => Promise.resolve(++runs));
    expect(once.hasBegun).toBe(false);
    const both = Promise.all([once.run(), once.run()]);
    expect(once.hasBegun).toBe(true);
    expect([await both, await once.run()]).toEqual([[1, 1], 1]);
  });

  it('is tried again by whoever comes after a failure', async () => {
    let runs = 0;
    const once = new Once(() => (++runs === 1 ? Promise.reject(new Error('away')) : Promise.resolve(runs)));
    const both = [once.run(), once.run()];
    for (const one of both) await expect(one).rejects.toThrow('away');
    expect(once.hasBegun).toBe(false);
    expect(await once.run()).toBe(2);
  });
});
