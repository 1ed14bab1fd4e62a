import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { exportJWK, generateKeyPair } from 'jose';
import { AUDIENCE } from '../../support/issuer.js';
import { freePort } from '../../support/ports.js';

const REDIRECT_URI = 'http://127.0.0.1/signed-in';

/** A private key with which the provider signs. */
async function newKey(): Promise<object> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig' };
}

/** `oidc-provider` in a process of its own. */
export class IdentityProvider {
  /** How often its keys were fetched. */
  fetches = 0;
  private keys: object[] = [];
  private process: ChildProcess | undefined;

  private constructor(private readonly port: number) {}

  static async start(): Promise<IdentityProvider> {
    const provider = new IdentityProvider(await freePort());
    await provider.rotate();
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Signs with a new key from now on. The one before is still shown. */
  async rotate(): Promise<void> {
    await this.stop();
    this.keys = [await newKey(), ...this.keys.slice(0, 1)];
    await this.comeBack();
  }

  /** Stands where it was. */
  async comeBack(): Promise<void> {
    const KEY_SET = JSON.stringify({ keys: this.keys });
    const env = { PATH: process.env['PATH'], PORT: String(this.port), KEY_SET, AUDIENCE, REDIRECT_URI };
    this.process = spawn('node', ['test/access/support/provider-process.mjs'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const lines = createInterface({ input: this.process.stdout ?? process.stdin });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        if (line === 'listening') resolve();
        else if (line === 'keys fetched') this.fetches++;
      });
      this.process?.once('exit', () => {
        reject(new Error('the identity provider has ended'));
      });
    });
  }

  async stop(): Promise<void> {
    const { process } = this;
    this.process = undefined;
    if (!process) return;
    const ended = once(process, 'exit');
    process.kill('SIGKILL');
    await ended;
  }

  /** Signs a user in, as a page does (RFC 6749, section 4.1, with PKCE). @returns the access token */
  async signIn(user: string): Promise<string> {
    const verifier = randomBytes(32).toString('base64url');
    const challenge = createHash('sha256').update(verifier).digest('base64url');
    const client = { client_id: 'page', redirect_uri: REDIRECT_URI };
    const wish = { ...client, response_type: 'code', scope: 'openid', code_challenge: challenge };
    const query = new URLSearchParams({ ...wish, code_challenge_method: 'S256' });
    const code = await new Browser(user).codeFrom(`${this.issuer}/auth?${query.toString()}`);
    return this.token({ ...client, grant_type: 'authorization_code', code, code_verifier: verifier });
  }

  /** The access token of an application with a secret. */
  async tokenOfJobs(scope?: string): Promise<string> {
    const client = { client_id: 'jobs', client_secret: 'the-secret-of-a-client-of-the-tests' };
    return this.token({ ...client, grant_type: 'client_credentials', ...(scope !== undefined && { scope }) });
  }

  private async token(wish: Record<string, string>): Promise<string> {
    const answer = await fetch(`${this.issuer}/token`, { method: 'POST', body: new URLSearchParams(wish) });
    const { access_token: token } = (await answer.json()) as { access_token?: string };
    if (token === undefined) throw new Error(`no token: ${answer.status}`);
    return token;
  }
}

/** Clicks through the pages of the provider, with its cookies. */
class Browser {
  private readonly cookies = new Map<string, string>();

  constructor(private readonly user: string) {}

  async codeFrom(start: string): Promise<string> {
    let answer = await this.visit(start);
    for (let page = 0; page < 20; page++) {
      const location = answer.headers.get('location');
      if (location === null) {
        const prompt = /name="prompt" value="(\w+)"/.exec(await answer.text())?.[1];
        if (prompt === undefined) throw new Error(`a strange page, ${answer.status} ${answer.url}`);
        const body = new URLSearchParams({ prompt, login: this.user, password: 'any' });
        answer = await this.visit(answer.url, { method: 'POST', body });
      } else if (location.startsWith(REDIRECT_URI)) {
        return new URL(location).searchParams.get('code') ?? '';
      } else {
        answer = await this.visit(new URL(location, answer.url).href);
      }
    }
    throw new Error('the provider goes in circles');
  }

  private async visit(url: string, request: RequestInit = {}): Promise<Response> {
    const cookie = [...this.cookies].map((pair) => pair.join('=')).join('; ');
    const answer = await fetch(url, { ...request, headers: { cookie }, redirect: 'manual' });
    for (const set of answer.headers.getSetCookie()) {
      const [name = '', value = ''] = (set.split(';')[0] ?? '').split('=');
      this.cookies.set(name, value);
    }
    return answer;
  }
}
