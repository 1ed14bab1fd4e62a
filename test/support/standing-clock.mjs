// Makes the Date of a process stand still at TEST_CLOCK_MS, if that is set. Loaded by `node --import`, see clock.ts, and by hosts.
const { Date: Moving } = globalThis;
const { now: moving } = Moving;

/** @param {Record<string, string | undefined>} environment without TEST_CLOCK_MS, the clock goes on */
export function setClockBy({ TEST_CLOCK_MS: text }) {
  const ms = Number(text);
  Moving.now = text === undefined ? moving : () => ms;
  // A proxy, because dates that Node itself makes (of files, for instance) must remain instances of Date.
  globalThis.Date =
    text === undefined
      ? Moving
      : new Proxy(Moving, {
          construct: (target, parts, newTarget) =>
            Reflect.construct(target, parts.length === 0 ? [ms] : parts, newTarget),
        });
}

setClockBy(process.env);
