// The clients that the libraries are handed, and one to look past them.

import { once } from 'node:events';

import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { createClient as createClient4 } from 'redis-4';

export const url = (daemon) => `redis://127.0.0.1:${daemon.port}`;

/** node-redis, the newest: what connect-redis takes. */
export const nodeRedis = (t, daemon) => connected(t, createClient({ url: url(daemon) }), (client) => client.destroy());

/** node-redis 4: what jwt-redis takes. */
export const nodeRedis4 = (t, daemon) => connected(t, createClient4({ url: url(daemon) }), (client) => client.disconnect());

async function connected(t, client, close) {
  client.on('error', () => {}); // a lost connection is reported here, and made anew
  t.after(() => close(client));
  return client.connect();
}

export async function ioredis(t, daemon) {
  const client = new Redis(url(daemon));
  client.on('error', () => {});
  t.after(() => client.disconnect());
  await once(client, 'ready');
  return client;
}

/** kill -9 and a new start; returns when the client is connected again. */
export async function killAndRestart(daemon, client) {
  const ready = new Promise((resolve) => client.once('ready', resolve));
  await daemon.kill();
  await daemon.start();
  await ready;
}
