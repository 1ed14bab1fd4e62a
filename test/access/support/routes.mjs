// Prints the routes of the built service as JSON: `PUT /v1/avatars/:id`.
import { routesOf } from '../../../dist/http/known-routes.js';
import { openService } from '../../../dist/service.js';

const { app } = await openService({ ...process.env, LOG_LEVEL: 'silent' });
await app.init();
const routes = routesOf(app.getHttpAdapter().getInstance());
console.log(JSON.stringify(routes.map(({ method, url }) => `${method} ${url}`)));
process.exit();
