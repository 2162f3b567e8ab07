// Fastify with @fastify/jwt: log-out revokes the token for all processes; where nobody knows, the answer is 503.
//
//     REVOKED_URL=redis://127.0.0.1:6379 SECRET_KEY=... PORT=3000 node app.mjs

import { randomBytes, randomUUID, scryptSync, timingSafeEqual } from 'node:crypto';

import jwt from '@fastify/jwt';
import Fastify from 'fastify';
import { Redis } from 'ioredis';

const { REVOKED_URL = 'redis://127.0.0.1:6379', SECRET_KEY: secret, PORT = '3000' } = process.env;
const app = Fastify({ logger: true });

// One connection, on which requests don't wait for each other. What takes more than a second is given up, and nothing
// is kept back while there is no connection.
const client = new Redis(REVOKED_URL, {
  connectTimeout: 1000,
  commandTimeout: 1000,
  socketTimeout: 1000,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 1,
});
client.on('error', (error) => app.log.error(`revocations: ${error.message}`)); // it connects anew by itself
app.addHook('onClose', async () => client.disconnect());

/** What the daemon answers. Not known is not the same as not revoked, and what was not stored is not confirmed: 503. */
const ask = (...command) =>
  client.call(...command).catch((cause) => {
    throw Object.assign(new Error('try again later', { cause }), { statusCode: 503, headers: { 'Retry-After': '1' } });
  });
const trusted = async (_request, { jti }) => Boolean(jti) && (await ask('SISMEMBER', 'revoked', jti)) === 0;
const authenticated = { onRequest: (request) => request.jwtVerify() };

const [salt, hash] = [randomBytes(16), (password) => scryptSync(password, salt, 32)];
const passwords = new Map([['ada', hash('lovelace')]]); // stands for your table of users

await app.register(jwt, { secret, trusted, sign: { expiresIn: '15m' } });

app.post('/login', async ({ body: { username, password } }, reply) => {
  if (!passwords.has(username) || !timingSafeEqual(passwords.get(username), hash(password))) {
    return reply.code(401).send({ error: 'wrong name or password' });
  }
  return { access: app.jwt.sign({ sub: username, jti: randomUUID() }) };
});

app.get('/profile', authenticated, async (request) => ({ name: request.user.sub }));

app.post('/logout', authenticated, async (request, reply) => {
  const { exp, jti } = request.user; // @fastify/jwt takes a token in the millisecond `exp`, too
  await ask('SADDEXAT', 'revoked', 'GT', exp + 1, jti); // resolves when it is on disk
  return reply.code(204).send();
});

await app.listen({ host: '127.0.0.1', port: Number(PORT) });
process.once('SIGTERM', () => app.close());
