import type { FastifyInstance, FastifyRequest } from 'fastify';

export interface Route {
  url: string;
  method: string | string[];
}

const ROUTES = Symbol('routes');

/** Remembers every route that is added from now on, for `allowedMethods`. */
export function rememberRoutes(fastify: FastifyInstance): void {
  const routes: Route[] = [];
  fastify.decorate(ROUTES, routes);
  fastify.addHook('onRoute', ({ url, method }) => {
    routes.push({ url, method });
  });
}

/** Every route since `rememberRoutes`. */
export function routesOf(fastify: FastifyInstance): readonly Route[] {
  return fastify.getDecorator<Route[]>(ROUTES);
}

/**
 * The methods that the path of a request takes, for the header Allow (RFC 9110, section 10.2.1).
 * @returns their names in order; none if there is no such path
 */
export function allowedMethods({ server, url }: FastifyRequest): string[] {
  const [path = ''] = url.split('?', 1);
  const routes = routesOf(server);
  const exact = routes.filter((route) => route.url === path);
  const parts = path.split('/');
  const known = exact.length > 0 ? exact : routes.filter((route) => matches(route.url.split('/'), parts));
  return [...new Set(known.flatMap(({ method }) => method))].sort();
}

function matches(route: string[], path: string[]): boolean {
  const wildcard = route.at(-1) === '*';
  return (
    (wildcard ? route.length <= path.length : route.length === path.length) &&
    route.every(
      (part, i) => part === path[i] || (part.startsWith(':') && path[i] !== '') || (wildcard && part === '*'),
    )
  );
}
