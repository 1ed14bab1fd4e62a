import type { FastifyInstance, FastifyRequest } from 'fastify';

interface Route {
  url: string;
  method: string | string[];
}

const routesOf = new WeakMap<object, Route[]>();

/** Remembers every route that is added from now on, for `methodsOf`. */
export function rememberRoutes(fastify: FastifyInstance): void {
  const routes: Route[] = [];
  routesOf.set(fastify.server, routes);
  fastify.addHook('onRoute', ({ url, method }) => {
    routes.push({ url, method });
  });
}

/** The methods that the path of a request is known for, in order; none where there is nothing under it. */
export function methodsOf({ server, url }: FastifyRequest): string[] {
  const path = (url.split('?', 1)[0] ?? '').split('/');
  const known = (routesOf.get(server.server) ?? []).filter((route) => matches(route.url.split('/'), path));
  return [...new Set(known.flatMap(({ method }) => method))].sort();
}

function matches(route: string[], path: string[]): boolean {
  return (
    route.length === path.length &&
    route.every((part, i) => part === path[i] || (part.startsWith(':') && path[i] !== ''))
  );
}
