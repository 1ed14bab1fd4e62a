// The monotonic clock of a process stands still. Each SIGUSR2 moves it on by the next of TEST_CLOCK_STEPS_MS. Loaded by `node --import`.
const steps = process.env.TEST_CLOCK_STEPS_MS.split(',').map(Number);
let now = performance.now();

performance.now = () => now;

process.on('SIGUSR2', () => {
  now += steps.shift() ?? 0;
  process.stdout.write(`${steps.length} moves of the clock are left\n`);
});
