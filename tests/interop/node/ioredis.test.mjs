// ioredis: version 5, and the newest, which speaks RESP3 first.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';

import { startDaemon } from './daemon.mjs';
import { BINARY, sorted } from './members.mjs';

for (const version of [5, 6]) {
  const { Redis } = await import(`ioredis-${version}`);

  const connect = async (t, daemon, options) => {
    const client = new Redis(daemon.port, options);
    client.on('error', () => {}); // a lost connection is reported here, and made anew
    t.after(() => client.disconnect());
    await once(client, 'ready');
    return client;
  };

  describe(`ioredis ${version}`, () => {
    test('connects', async (t) => {
      const client = await connect(t, await startDaemon(t));
      assert.equal(await client.ping(), 'PONG');
    });

    test('pipelines in order', async (t) => {
      const client = await connect(t, await startDaemon(t));
      const pipeline = client.pipeline();
      for (let n = 0; n < 3_000; n++) {
        pipeline.sadd('revoked', n).sismember('revoked', n).sismember('revoked', 'x');
      }
      assert.deepEqual(await pipeline.exec(), Array(3_000).fill([[null, 1], [null, 1], [null, 0]]).flat());
    });

    test('executes a transaction', async (t) => {
      const client = await connect(t, await startDaemon(t));
      assert.deepEqual(await client.multi().sadd('revoked', 'a').scard('revoked').exec(), [[null, 1], [null, 1]]);
    });

    test('pipelines by itself when told to', async (t) => {
      const client = await connect(t, await startDaemon(t), { enableAutoPipelining: true });
      const replies = await Promise.all(Array.from({ length: 3_000 }, (_, n) => client.sadd('revoked', n)));
      assert.deepEqual(replies, Array(3_000).fill(1));
    });

    test('tells many members from others at once', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await client.sadd('revoked', 'a', 'c');
      assert.deepEqual(await client.smismember('revoked', 'a', 'b', 'c'), [1, 0, 1]);
    });

    test('members are the bytes that were added', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await client.sadd('revoked', ...Object.values(BINARY));
      assert.deepEqual(sorted(await client.smembersBuffer('revoked')), sorted(Object.values(BINARY)));
    });

    for (const [name, bytes] of Object.entries(BINARY)) {
      test(`takes a binary key: ${name}`, async (t) => {
        const client = await connect(t, await startDaemon(t));
        await client.sadd(bytes, 'a');
        assert.equal(await client.sismember(bytes, 'a'), 1);
      });
    }

    test('streams members', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await client.sadd('revoked', ...Array(3_000).keys());
      const found = new Set();
      for await (const members of client.sscanStream('revoked', { count: 100 })) {
        members.forEach((member) => found.add(member));
      }
      assert.equal(found.size, 3_000);
    });

    test('selects a database', async (t) => {
      const daemon = await startDaemon(t);
      const third = await connect(t, daemon, { db: 3 });
      await third.sadd('revoked', 'a');
      const zeroth = await connect(t, daemon);
      assert.deepEqual([await third.dbsize(), await zeroth.dbsize()], [1, 0]);
    });

    test('authenticates', async (t) => {
      const client = await connect(t, await startDaemon(t, '--requirepass', 'secret'), { password: 'secret' });
      assert.equal(await client.sadd('revoked', 'a'), 1);
    });

    test('is refused with a wrong password', async (t) => {
      const daemon = await startDaemon(t, '--requirepass', 'secret');
      const client = new Redis(daemon.port, { password: 'guess', retryStrategy: null });
      t.after(() => client.disconnect());
      const [error] = await once(client, 'error').catch((error) => [error]);
      assert.match(error.message, /WRONGPASS/);
    });

    test('names an unknown command', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await assert.rejects(client.call('NOSUCH', 'a'), {
        name: 'ReplyError',
        message: /^ERR unknown command 'NOSUCH', with args beginning with: 'a'/,
      });
    });

    test('reconnects by itself after kill -9, to all that was acknowledged', async (t) => {
      const daemon = await startDaemon(t);
      const client = await connect(t, daemon);
      await client.sadd('revoked', 'a', 'b');
      const ready = new Promise((resolve) => client.once('ready', resolve));
      await daemon.kill();
      await daemon.start();
      await ready;
      assert.equal(await client.scard('revoked'), 2);
    });
  });
}
