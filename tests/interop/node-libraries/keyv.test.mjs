// @keyv/redis, and cache-manager, whose store for Redis it is since version 6.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { createKeyv } from '@keyv/redis';
import { createCache } from 'cache-manager';

import { startDaemon } from '../node/daemon.mjs';
import { waitUntil } from '../node/waiting.mjs';
import { killAndRestart, nodeRedis, url } from './clients.mjs';

const LONG_MS = 60_000;

async function start(t) {
  const daemon = await startDaemon(t);
  return { daemon, server: await nodeRedis(t, daemon) };
}

function keyvOf(t, daemon, options) {
  const keyv = createKeyv(url(daemon), { throwOnErrors: true, ...options });
  keyv.on('error', () => {}); // a lost connection is reported here, and made anew
  t.after(() => keyv.disconnect());
  return keyv;
}

function cacheOf(t, daemon, options) {
  const cache = createCache({ stores: [keyvOf(t, daemon)], ...options });
  t.after(() => cache.disconnect());
  return cache;
}

async function assertLifetime(server, key, lifetimeMs) {
  const leftMs = await server.pTTL(key);
  assert.ok(lifetimeMs - 2_000 <= leftMs && leftMs <= lifetimeMs, `${leftMs}`);
}

describe('@keyv/redis', () => {
  test('gives back what was set', async (t) => {
    const keyv = keyvOf(t, (await start(t)).daemon);
    for (const value of ['ada', '', 41, true, { roles: ['admin'] }, 'x'.repeat(500_000)]) {
      assert.equal(await keyv.set('user', value), true);
      assert.deepEqual(await keyv.get('user'), value);
    }
    assert.equal(await keyv.get('missing'), undefined);
  });

  test('tells whether it is there, and deletes it', async (t) => {
    const keyv = keyvOf(t, (await start(t)).daemon);
    await keyv.set('user', 'ada');
    assert.deepEqual([await keyv.has('user'), await keyv.delete('user')], [true, true]);
    assert.deepEqual([await keyv.has('user'), await keyv.delete('user')], [false, false]);
  });

  test('sets a lifetime in milliseconds', async (t) => {
    const { daemon, server } = await start(t);
    const keyv = keyvOf(t, daemon);
    await keyv.set('user', 'ada', LONG_MS + 1);
    await assertLifetime(server, 'user', LONG_MS + 1);
    await keyv.set('user', 'ada');
    assert.equal(await server.pTTL('user'), -1);
  });

  test('expires', async (t) => {
    const { daemon, server } = await start(t);
    await keyvOf(t, daemon).set('user', 'ada', 100);
    await waitUntil(async () => (await server.dbSize()) === 0);
    assert.equal(await server.exists('user'), 0);
  });

  test('many at once, in one transaction', async (t) => {
    const { daemon, server } = await start(t);
    const keyv = keyvOf(t, daemon);
    const keys = Array.from({ length: 500 }, (_, n) => `user:${n}`);
    await keyv.setMany(keys.map((key) => ({ key, value: key.toUpperCase(), ttl: LONG_MS })));
    await assertLifetime(server, 'user:499', LONG_MS);
    assert.deepEqual(await keyv.getMany([...keys, 'missing']), [...keys.map((key) => key.toUpperCase()), undefined]);
    assert.deepEqual(await keyv.hasMany(['user:0', 'missing']), [true, false]);
    await keyv.deleteMany(keys);
    assert.equal(await server.dbSize(), 0);
  });

  test('goes through what is in its namespace, and clears it alone', async (t) => {
    const { daemon, server } = await start(t);
    const users = keyvOf(t, daemon, { namespace: 'users' });
    const sessions = keyvOf(t, daemon, { namespace: 'sessions' });
    await server.sAdd('users::set', 'a'); // not Keyv's: it looks for strings
    for (let n = 0; n < 50; n++) {
      await users.set(`${n}`, n);
      await sessions.set(`${n}`, n);
    }
    const found = new Map();
    for await (const [key, value] of users.iterator()) found.set(key, value);
    assert.deepEqual(found, new Map(Array.from({ length: 50 }, (_, n) => [`${n}`, n])));

    await users.clear();
    assert.deepEqual(await server.keys('users::*'), ['users::set']);
    assert.equal((await server.keys('sessions::*')).length, 50);
  });

  test('clears the whole database when told so', async (t) => {
    const { daemon, server } = await start(t);
    await server.sAdd('set', 'a');
    await keyvOf(t, daemon, { noNamespaceAffectsAll: true }).clear();
    assert.equal(await server.dbSize(), 0);
  });

  test('value and lifetime outlive kill -9', async (t) => {
    const { daemon, server } = await start(t);
    const keyv = keyvOf(t, daemon);
    await keyv.set('user', 'ada', LONG_MS);
    await killAndRestart(daemon, keyv.store.client);
    assert.equal(await keyv.get('user'), 'ada');
    await assertLifetime(server, 'user', LONG_MS);
  });
});

describe('cache-manager', () => {
  test('gives back what was set, until it is deleted', async (t) => {
    const cache = cacheOf(t, (await start(t)).daemon);
    await cache.set('user', { name: 'ada' });
    assert.deepEqual(await cache.get('user'), { name: 'ada' });
    await cache.del('user');
    assert.equal(await cache.get('user'), undefined);
  });

  test('gives each value the lifetime that was asked for', async (t) => {
    const { daemon, server } = await start(t);
    const cache = cacheOf(t, daemon, { ttl: LONG_MS });
    await cache.set('default', 1);
    await cache.set('longer', 1, 2 * LONG_MS);
    await assertLifetime(server, 'default', LONG_MS);
    await assertLifetime(server, 'longer', 2 * LONG_MS);
    assert.ok((await cache.ttl('longer')) > Date.now() + LONG_MS);
  });

  test('expires', async (t) => {
    const { daemon, server } = await start(t);
    await cacheOf(t, daemon).set('user', 'ada', 100);
    await waitUntil(async () => (await server.dbSize()) === 0);
  });

  test('many at once', async (t) => {
    const { daemon, server } = await start(t);
    const cache = cacheOf(t, daemon);
    await cache.mset([{ key: 'a', value: 1, ttl: LONG_MS }, { key: 'b', value: 2 }]);
    await assertLifetime(server, 'a', LONG_MS);
    assert.deepEqual(await cache.mget(['a', 'b', 'c']), [1, 2, undefined]);
    await cache.mdel(['a', 'b']);
    assert.equal(await server.dbSize(), 0);
  });

  test('computes a value once, and again when it has expired', async (t) => {
    const { daemon, server } = await start(t);
    const cache = cacheOf(t, daemon);
    let computed = 0;
    const value = (ttl) => cache.wrap('user', async () => ++computed, ttl);
    assert.deepEqual([await value(LONG_MS), await value(LONG_MS)], [1, 1]);
    await server.pExpire('user', 1);
    await waitUntil(async () => (await value(LONG_MS)) === 2);
  });

  test('clears', async (t) => {
    const { daemon, server } = await start(t);
    const cache = cacheOf(t, daemon);
    await cache.mset([{ key: 'a', value: 1 }, { key: 'b', value: 2 }]);
    await cache.clear();
    assert.equal(await server.dbSize(), 0);
  });
});
