import { randomUUID } from 'node:crypto';
import { run, succeed } from '../processes.mjs';

export async function engineAnswers() {
  try {
    return (await run('sh', ['-c', 'docker info >/dev/null 2>&1'], { quiet: true })).code === 0;
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Runs an image with an empty volume at `folder`.
 * @param {string} image
 * @param {{ parameters: string[], env: Record<string, string> }} line
 * @param {{ port: number, folder: string }} inside
 * @returns the port on this machine, and the server as `start` gives it
 */
export async function startContainer(image, { parameters, env }, { port, folder }) {
  const name = `visage-test-${randomUUID()}`;
  const stop = async () => {
    await run('docker', ['rm', '--force', '--volumes', name], { quiet: true, toTheEnd: true });
  };
  const options = [
    ...['--detach', '--name', name, '--publish', `127.0.0.1::${port}`, '--volume', folder],
    ...Object.keys(env).flatMap((variable) => ['--env', variable]),
  ];
  try {
    await succeed('docker', ['run', ...options, image, ...parameters], {
      env: { ...process.env, ...env },
      quiet: true,
    });
    const published = await succeed('docker', ['port', name, String(port)], { quiet: true });
    return {
      port: Number(published.trim().split(':').at(-1)),
      hasEnded: async () => {
        const { output } = await run('docker', ['inspect', '--format', '{{.State.Running}}', name], {
          quiet: true,
        });
        return output.trim() !== 'true';
      },
      output: async () =>
        (await run('sh', ['-c', `docker logs --tail 20 ${name} 2>&1`], { quiet: true })).output,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
