import { startRecipe } from './recipe.mjs';

/**
 * All parts in one process. It takes seven volumes for each bucket: they are small and many, so that there is room for some 700. Its
 * image would allocate them at once.
 */
export const seaweedfs = {
  title: 'SeaweedFS',
  start: (scratch) =>
    startRecipe(scratch, {
      program: 'weed',
      version: { parameters: ['version'], pattern: /\d+\.\d+/ },
      image: 'chrislusf/seaweedfs:4.53',
      line: ({ host, port, folder, keys, otherPorts }) => ({
        parameters: [
          // It would otherwise leave its logs in the temporary folder of the machine.
          '-logtostderr=true',
          'server',
          ...[`-dir=${folder}`, '-ip=127.0.0.1', `-ip.bind=${host}`, '-master.telemetry=false'],
          ...['-volume.max=5000', '-master.volumeSizeLimitMB=64', '-master.volumePreallocate=false'],
          ...['-filer', '-s3', `-s3.port=${port}`],
          ...['-s3.port.iceberg=0', '-s3.port.lance=0'],
          ...INNER_PORTS.map((name, i) => `-${name}=${otherPorts[i]}`),
        ],
        env: { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey },
      }),
      otherPorts: INNER_PORTS.length,
    }),
};

const INNER_PORTS = ['master.port', 'volume.port', 'filer.port'].flatMap((name) => [name, `${name}.grpc`]);
INNER_PORTS.push('s3.port.grpc');
