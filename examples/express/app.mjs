// Express with express-jwt: log-out revokes the token for all processes; where nobody knows, the answer is 503.
//
//     REVOKED_URL=redis://127.0.0.1:6379 SECRET_KEY=... PORT=3000 node app.mjs

import { randomBytes, randomUUID, scryptSync, timingSafeEqual } from 'node:crypto';

import express from 'express';
import { expressjwt } from 'express-jwt';
import { Redis } from 'ioredis';
import jwt from 'jsonwebtoken';

const { REVOKED_URL = 'redis://127.0.0.1:6379', SECRET_KEY: secret, PORT = '3000' } = process.env;

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

/** What the daemon answers. Not known is not the same as not revoked, and what was not stored is not confirmed: 503. */
const ask = (...command) =>
  client.call(...command).catch((cause) => {
    throw Object.assign(new Error('try again later', { cause }), { status: 503, headers: { 'Retry-After': '1' } });
  });
const isRevoked = async (_request, { payload }) => !payload.jti || (await ask('SISMEMBER', 'revoked', payload.jti)) === 1;
const authenticated = expressjwt({ secret, algorithms: ['HS256'], isRevoked });

const [salt, hash] = [randomBytes(16), (password) => scryptSync(password, salt, 32)];
const passwords = new Map([['ada', hash('lovelace')]]); // stands for your table of users

const app = express();

app.post('/login', express.json(), ({ body: { username, password } }, response) => {
  if (!passwords.has(username) || !timingSafeEqual(passwords.get(username), hash(password))) {
    return response.status(401).json({ error: 'wrong name or password' });
  }
  response.json({ access: jwt.sign({ sub: username, jti: randomUUID() }, secret, { expiresIn: '15m' }) });
});

app.get('/profile', authenticated, (request, response) => response.json({ name: request.auth.sub }));

app.post('/logout', authenticated, async (request, response) => {
  await ask('SADDEXAT', 'revoked', 'GT', request.auth.exp, request.auth.jti); // resolves when it is on disk
  response.status(204).end();
});

app.use((error, _request, response, _next) => {
  response.status(error.status ?? 500).set(error.headers ?? {}).json({ error: error.status ? error.message : 'our fault' });
});

const server = app.listen(PORT, '127.0.0.1', () => console.log(`listening at http://127.0.0.1:${server.address().port}`));
process.once('SIGTERM', () => server.close(() => client.disconnect()));
