// connect-redis: the sessions of express-session, over HTTP.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';

import { startDaemon } from '../node/daemon.mjs';
import { waitUntil } from '../node/waiting.mjs';
import { Browser, listen } from './browser.mjs';
import { killAndRestart, nodeRedis } from './clients.mjs';

const LIFETIME_S = 600;
const OK = 200;

function application(client, { cookie, ...storeOptions } = {}) {
  const app = express();
  const store = new RedisStore({ client, ttl: LIFETIME_S, ...storeOptions });
  app.use(session({ store, secret: 'not a secret', resave: false, saveUninitialized: false, cookie }));

  app.post('/login/:name', (request, response, next) => {
    request.session.regenerate((error) => {
      if (error) return next(error);
      request.session.name = request.params.name;
      response.end();
    });
  });
  app.get('/profile', (request, response) => response.send(request.session.name ?? ''));
  app.post('/logout', (request, response, next) => {
    request.session.destroy((error) => (error ? next(error) : response.end()));
  });
  return app;
}

async function start(t, options) {
  const daemon = await startDaemon(t);
  const client = await nodeRedis(t, daemon);
  const address = await listen(t, application(client, options));
  return { daemon, client, address, browser: new Browser(address) };
}

async function logIn(browser, name) {
  assert.equal((await browser.post(`/login/${name}`)).status, OK);
}

const nameOf = async (browser) => (await browser.get('/profile')).text;

describe('connect-redis', () => {
  test('remembers who is logged in', async (t) => {
    const { address, browser } = await start(t);
    const other = new Browser(address);
    await logIn(browser, 'ada');
    await logIn(other, 'grace');
    assert.deepEqual([await nameOf(browser), await nameOf(other)], ['ada', 'grace']);
  });

  test('workers share a session', async (t) => {
    const { daemon, browser } = await start(t);
    await logIn(browser, 'ada');
    const otherWorker = await listen(t, application(await nodeRedis(t, daemon)));
    assert.equal(await nameOf(new Browser(otherWorker, browser.cookie)), 'ada');
  });

  test('a session outlives kill -9', async (t) => {
    const { daemon, client, browser } = await start(t);
    await logIn(browser, 'ada');
    await killAndRestart(daemon, client);
    assert.equal(await nameOf(browser), 'ada');
  });

  test('logging out voids the cookie, after kill -9 too', async (t) => {
    const { daemon, client, browser, address } = await start(t);
    await logIn(browser, 'ada');
    const cookie = browser.cookie;
    assert.equal((await browser.post('/logout')).status, OK);
    assert.equal(await client.dbSize(), 0);
    await killAndRestart(daemon, client);
    assert.equal(await nameOf(new Browser(address, cookie)), '');
  });

  test('logging in again voids the former cookie', async (t) => {
    const { browser, address } = await start(t);
    await logIn(browser, 'ada');
    const former = new Browser(address, browser.cookie);
    await logIn(browser, 'ada');
    assert.deepEqual([await nameOf(former), await nameOf(browser)], ['', 'ada']);
  });

  test('each request sets the lifetime anew', async (t) => {
    const { client, browser } = await start(t);
    await logIn(browser, 'ada');
    const [key] = await client.keys('sess:*');
    const lifetimeIsWhole = async () => LIFETIME_S - 2 <= (await client.ttl(key)) && (await client.ttl(key)) <= LIFETIME_S;
    assert.ok(await lifetimeIsWhole());
    await client.expire(key, 60);
    await nameOf(browser);
    assert.ok(await lifetimeIsWhole());
  });

  test('a session expires', async (t) => {
    const { client, browser, address } = await start(t, { cookie: { maxAge: 1_000 } });
    await logIn(browser, 'ada');
    await waitUntil(async () => (await client.dbSize()) === 0);
    assert.equal(await nameOf(new Browser(address, browser.cookie)), '');
  });

  test('lists and clears its sessions, and nothing else', async (t) => {
    const daemon = await startDaemon(t);
    const client = await nodeRedis(t, daemon);
    await client.set('other', 'kept');
    const store = new RedisStore({ client });
    const ids = Array.from({ length: 250 }, (_, n) => `${n}`);
    for (const id of ids) await store.set(id, { name: `user ${id}`, cookie: {} });
    assert.equal(await store.length(), 250);
    assert.deepEqual(new Set(await store.ids()), new Set(ids));
    assert.deepEqual(new Set((await store.all()).map(({ name }) => name)), new Set(ids.map((id) => `user ${id}`)));
    await store.clear();
    assert.deepEqual(await client.keys('*'), ['other']);
  });
});
