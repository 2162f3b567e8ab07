// Answers nginx's auth_request (revoked.conf): is this token valid, and not revoked? And revokes it at log-out. For
// applications that can't ask by themselves. Nothing is needed but the client.
//
//     REVOKED_URL=redis://127.0.0.1:6379 SECRET_KEY=... PORT=9000 node gate.mjs

import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

import { Redis } from 'ioredis';

const { REVOKED_URL = 'redis://127.0.0.1:6379', SECRET_KEY, PORT = '9000' } = process.env;
if (!SECRET_KEY) throw new Error('SECRET_KEY is missing');

// One connection, on which requests don't wait for each other. What takes more than a second is given up, and nothing
// is kept back while there is no connection.
const client = new Redis(REVOKED_URL, {
  connectTimeout: 1000,
  commandTimeout: 1000,
  socketTimeout: 1000,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
});
client.on('error', (error) => console.error(`revocations: ${error.message}`)); // it connects anew by itself

/** The claims of a token that we signed, with HS256 and nothing else, and that has not expired. */
function claims(authorization = '') {
  const [, signed, payload, signature] = /^Bearer ([\w-]+\.([\w-]+))\.([\w-]+)$/i.exec(authorization) ?? [];
  if (!signed) return undefined;
  const [ours, theirs] = [createHmac('sha256', SECRET_KEY).update(signed).digest(), Buffer.from(signature, 'base64url')];
  if (ours.length !== theirs.length || !timingSafeEqual(ours, theirs)) return undefined;
  const { jti, exp } = JSON.parse(Buffer.from(payload, 'base64url'));
  return typeof jti === 'string' && Number.isInteger(exp) && Date.now() < exp * 1000 ? { jti, exp } : undefined;
}

const routes = {
  'GET /check': () => {},
  'POST /revoke': ({ jti, exp }) => client.call('SADDEXAT', 'revoked', 'GT', exp, jti), // resolves when it is on disk
};

async function status({ method, url, headers }) {
  const [route, token] = [routes[`${method} ${url}`], claims(headers.authorization)];
  if (!route) return 404;
  if (!token || (await client.sismember('revoked', token.jti)) === 1) return 401;
  await route(token);
  return 204;
}

// Not known is not the same as not revoked, and what was not stored is not confirmed: 503.
const server = createServer((request, response) =>
  status(request)
    .catch((error) => (console.error(`revocations: ${error.message}`), 503))
    .then((code) => response.writeHead(code, { 401: { 'WWW-Authenticate': 'Bearer' }, 503: { 'Retry-After': '1' } }[code]).end()),
);
server.listen(Number(PORT), '127.0.0.1', () => console.log(`listening at http://127.0.0.1:${server.address().port}`));
process.once('SIGTERM', () => server.close(() => client.disconnect()));
