// Loaded into a process of its own by `node --import`, see clock.ts: its Date stands still at TEST_CLOCK_MS.
const now = Number(process.env.TEST_CLOCK_MS);

Date.now = () => now;

// A proxy, since the dates that Node itself makes, as of files, have to be instances of Date still.
globalThis.Date = new Proxy(Date, {
  construct: (target, parts, newTarget) =>
    Reflect.construct(target, parts.length === 0 ? [now] : parts, newTarget),
});
