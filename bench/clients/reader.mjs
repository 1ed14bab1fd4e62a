// Reads one URL at a steady rate, whether answers come or not, and prints how long each took, in ms.
import { get } from '../http.mjs';
import { timed } from '../stats.mjs';

const { url, perSecond, seconds } = JSON.parse(process.argv[2]);
// Connections and code are warm when it begins to count.
for (let i = 0; i < 50; i++) await get(url);
const reads = [];
await new Promise((resolve) => {
  const started = performance.now();
  const timer = setInterval(() => {
    const due = Math.min(seconds, (performance.now() - started) / 1000) * perSecond;
    while (reads.length < due) reads.push(timed(() => get(url)));
    if (reads.length < seconds * perSecond) return;
    clearInterval(timer);
    resolve();
  }, 1000 / perSecond);
});
console.log(JSON.stringify(await Promise.all(reads)));
