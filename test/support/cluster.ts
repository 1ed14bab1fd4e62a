import { once } from 'node:events';
import { type Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { freePort } from './ports.js';
import { type Environment, type RunningService, startProcess, startProcesses } from './service.js';

export interface ClusterRequest {
  method?: string;
  path: string;
  headers?: OutgoingHttpHeaders;
  body?: Buffer | string;
  agent?: Agent;
}

export interface ClusterAnswer {
  status: number;
  /** The body's JSON; undefined if there is no body. */
  body: Record<string, unknown> | undefined;
}

/** Replicas on fixed ports. They can be stopped and started again while clients send requests. */
export class Cluster {
  private constructor(
    private readonly environments: readonly Environment[],
    private readonly replicas: RunningService[],
  ) {}

  /** @param environments one for each replica */
  static async start(environments: readonly Environment[]): Promise<Cluster> {
    const ports = await Promise.all(environments.map(() => freePort()));
    const fixed = environments.map((environment, i) => ({ ...environment, PORT: String(ports[i]) }));
    return new Cluster(fixed, await startProcesses(fixed));
  }

  get size(): number {
    return this.replicas.length;
  }

  /** @throws {Error} if the connection is refused or breaks */
  async ask(replica: number, { path, body, ...options }: ClusterRequest): Promise<ClusterAnswer> {
    const sending = request(new URL(path, this.at(replica).url), { agent: false, ...options });
    sending.end(body);
    const [answer] = (await once(sending, 'response')) as [IncomingMessage];
    const text = (await buffer(answer)).toString();
    return {
      status: answer.statusCode ?? 0,
      body: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>),
    };
  }

  /**
   * Stops a replica with a signal and starts it again on the same port.
   * @param whileAway awaited before it starts again
   * @returns its exit code, null after SIGKILL
   */
  async restart(
    replica: number,
    signal: 'SIGTERM' | 'SIGKILL',
    whileAway: () => Promise<void> = () => Promise.resolve(),
  ): Promise<number | null> {
    const { process } = this.at(replica);
    const exited = once(process, 'exit');
    process.kill(signal);
    await exited;
    await this.at(replica).stop();
    await whileAway();
    this.replicas[replica] = await startProcess(this.environments[replica] ?? {});
    return process.exitCode;
  }

  logs(): string {
    return this.replicas.map((replica) => replica.log()).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.stop()));
  }

  private at(replica: number): RunningService {
    const found = this.replicas[replica];
    if (!found) throw new RangeError(`there is no replica ${replica}`);
    return found;
  }
}
