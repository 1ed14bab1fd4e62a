// Makes the Date of a process stand still at TEST_CLOCK_MS. Loaded by `node --import`, see clock.ts.
const now = Number(process.env.TEST_CLOCK_MS);

Date.now = () => now;

// A proxy, because dates that Node itself makes (of files, for instance) must remain instances of Date.
globalThis.Date = new Proxy(Date, {
  construct: (target, parts, newTarget) =>
    Reflect.construct(target, parts.length === 0 ? [now] : parts, newTarget),
});
