// jwt-redis: a token is valid as long as its id stands in the daemon.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import jwtRedis from 'jwt-redis';

import { startDaemon } from '../node/daemon.mjs';
import { waitUntil } from '../node/waiting.mjs';
import { killAndRestart, nodeRedis4 } from './clients.mjs';

const JWTRedis = jwtRedis.default;
const SECRET = 'not a secret';
const DESTROYED = { name: 'TokenDestroyedError' };

async function start(t) {
  const daemon = await startDaemon(t);
  const client = await nodeRedis4(t, daemon);
  return { daemon, client, tokens: new JWTRedis(client) };
}

describe('jwt-redis', () => {
  test('takes a token until it is destroyed', async (t) => {
    const { tokens } = await start(t);
    const token = await tokens.sign({ user: 'ada', jti: 'first' }, SECRET);
    const other = await tokens.sign({ user: 'ada', jti: 'second' }, SECRET);
    assert.equal((await tokens.verify(token, SECRET)).user, 'ada');
    assert.equal(await tokens.destroy('first'), true);
    assert.equal(await tokens.destroy('first'), false);
    await assert.rejects(tokens.verify(token, SECRET), DESTROYED);
    assert.equal((await tokens.verify(other, SECRET)).jti, 'second');
  });

  test('gives the entry the lifetime of the token', async (t) => {
    const { client, tokens } = await start(t);
    await tokens.sign({ jti: 'limited' }, SECRET, { expiresIn: '10m' });
    await tokens.sign({ jti: 'unlimited' }, SECRET);
    const leftS = await client.ttl('jwt_label:limited');
    assert.ok(598 <= leftS && leftS <= 600, `${leftS}`);
    assert.equal(await client.ttl('jwt_label:unlimited'), -1);
  });

  test('refuses a token whose entry has expired', async (t) => {
    const { client, tokens } = await start(t);
    const token = await tokens.sign({ jti: 'a' }, SECRET, { expiresIn: '10m' });
    await client.expire('jwt_label:a', 1);
    await waitUntil(async () => (await client.dbSize()) === 0);
    await assert.rejects(tokens.verify(token, SECRET), DESTROYED);
  });

  test('what is valid and what is destroyed outlives kill -9', async (t) => {
    const { daemon, client, tokens } = await start(t);
    const token = await tokens.sign({ jti: 'first' }, SECRET, { expiresIn: '10m' });
    const other = await tokens.sign({ jti: 'second' }, SECRET, { expiresIn: '10m' });
    await tokens.destroy('first');
    await killAndRestart(daemon, client);
    await assert.rejects(tokens.verify(token, SECRET), DESTROYED);
    assert.equal((await tokens.verify(other, SECRET)).jti, 'second');
  });
});
