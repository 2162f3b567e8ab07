// ioredis and node-redis over TLS, with and without a certificate of their own.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { freePort, startDaemon } from './daemon.mjs';

const folder = mkdtempSync(join(tmpdir(), 'revoked-certificates-'));
after(() => rmSync(folder, { recursive: true }));
execFileSync(fileURLToPath(new URL('../certificates', import.meta.url)), [folder]);
const file = (name) => join(folder, name);
const ca = readFileSync(file('ca.pem'));
const own = { cert: readFileSync(file('client.pem')), key: readFileSync(file('client-key.pem')) };

const startTlsDaemon = async (t, authClients) => {
  const port = await freePort();
  const files = ['--tls-cert-file', file('server.pem'), '--tls-key-file', file('server-key.pem')];
  const clients = ['--tls-ca-cert-file', file('ca.pem'), '--tls-auth-clients', authClients];
  await startDaemon(t, '--tls-port', port, ...files, ...clients);
  return port;
};

for (const version of [5, 6]) {
  const { Redis } = await import(`ioredis-${version}`);

  describe(`ioredis ${version} over TLS`, () => {
    for (const [authClients, certificate] of [['no', {}], ['yes', own]]) {
      test(`revokes and asks where tls-auth-clients is ${authClients}`, async (t) => {
        const port = await startTlsDaemon(t, authClients);
        const client = new Redis(port, 'localhost', { tls: { ca, ...certificate } });
        t.after(() => client.disconnect());
        await once(client, 'ready');
        assert.equal(await client.sadd('revoked', 'token'), 1);
        assert.equal(await client.sismember('revoked', 'token'), 1);
        const replies = await Promise.all(Array.from({ length: 3_000 }, (_, n) => client.sadd('many', n)));
        assert.deepEqual(replies, Array(3_000).fill(1));
        assert.equal((await client.smembers('many')).length, 3_000);
      });
    }
  });
}

test('node-redis 6 over TLS with a certificate of its own', async (t) => {
  const { createClient } = await import('redis-6');
  const port = await startTlsDaemon(t, 'yes');
  const client = createClient({ socket: { host: 'localhost', port, tls: true, ca, ...own } });
  client.on('error', () => {}); // the daemon ends first
  t.after(() => client.destroy());
  await client.connect();
  assert.equal(await client.sAdd('revoked', 'token'), 1);
  assert.equal(Number(await client.sIsMember('revoked', 'token')), 1);
});
