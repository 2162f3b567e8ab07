// express-jwt, whose `isRevoked` asks the daemon: one string a revoked token, with what is left of the token's lifetime.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, test } from 'node:test';

import express from 'express';
import { expressjwt } from 'express-jwt';
import jwt from 'jsonwebtoken';

import { startDaemon } from '../node/daemon.mjs';
import { waitUntil } from '../node/waiting.mjs';
import { Browser, listen } from './browser.mjs';
import { ioredis, killAndRestart } from './clients.mjs';

const SECRET = 'not a secret';
const OK = 200;
const REFUSED = 401;

function application(client) {
  const app = express();
  const isRevoked = async (_request, token) => (await client.get(`revoked:${token.payload.jti}`)) !== null;
  app.use(expressjwt({ secret: SECRET, algorithms: ['HS256'], isRevoked }));

  app.get('/profile', (request, response) => response.send(request.auth.sub));
  app.post('/logout', async (request, response) => {
    const { jti, exp } = request.auth;
    await client.set(`revoked:${jti}`, '', 'EXAT', exp);
    response.end();
  });
  app.use((error, _request, response, _next) => response.status(error.status ?? 500).send(error.code));
  return app;
}

async function start(t) {
  const daemon = await startDaemon(t);
  const client = await ioredis(t, daemon);
  return { daemon, client, browser: new Browser(await listen(t, application(client))) };
}

const newToken = (jti = randomUUID()) => jwt.sign({ jti }, SECRET, { subject: 'ada', expiresIn: '10m' });
const bearer = (token) => ({ authorization: `Bearer ${token}` });
const status = async (browser, token) => (await browser.get('/profile', bearer(token))).status;

describe('express-jwt', () => {
  test('refuses a token that was revoked, and no other', async (t) => {
    const { browser } = await start(t);
    const [token, other] = [newToken(), newToken()];
    assert.equal(await status(browser, token), OK);
    assert.equal((await browser.post('/logout', bearer(token))).status, OK);
    assert.deepEqual(await browser.get('/profile', bearer(token)), { status: REFUSED, text: 'revoked_token' });
    assert.equal(await status(browser, other), OK);
  });

  test('a revocation outlives kill -9', async (t) => {
    const { daemon, client, browser } = await start(t);
    const [token, other] = [newToken(), newToken()];
    await browser.post('/logout', bearer(token));
    await killAndRestart(daemon, client);
    assert.deepEqual([await status(browser, token), await status(browser, other)], [REFUSED, OK]);
  });

  test('a revocation lives as long as its token', async (t) => {
    const { client, browser } = await start(t);
    const token = newToken('a');
    await browser.post('/logout', bearer(token));
    assert.equal(await client.expiretime('revoked:a'), jwt.decode(token).exp);
    await client.pexpire('revoked:a', 1);
    await waitUntil(async () => (await client.dbsize()) === 0);
  });
});
