// An identity provider (OpenID Connect) at PORT with the private keys KEY_SET, the first of which signs. It writes a line for each fetch of its
// keys.
import { Provider } from 'oidc-provider';

const { PORT, KEY_SET, AUDIENCE, REDIRECT_URI } = process.env;

const provider = new Provider(`http://127.0.0.1:${PORT}`, {
  clients: [
    {
      client_id: 'page',
      application_type: 'native',
      redirect_uris: [REDIRECT_URI],
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: 'ES256',
    },
    {
      client_id: 'jobs',
      client_secret: 'the-secret-of-a-client-of-the-tests',
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  jwks: JSON.parse(KEY_SET),
  cookies: { keys: ['signs-cookies-of-the-tests'] },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  features: {
    clientCredentials: { enabled: true },
    resourceIndicators: {
      defaultResource: () => AUDIENCE,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        audience: AUDIENCE,
        scope: 'avatars:write',
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
});
provider.use((context, next) => {
  if (context.path === '/jwks') process.stdout.write('keys fetched\n');
  return next();
});
provider.listen(Number(PORT), '127.0.0.1', () => process.stdout.write('listening\n'));
