// ioredis: version 5, and the newest, which speaks RESP3 first.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';

import { startDaemon } from './daemon.mjs';
import { BINARY, sorted } from './members.mjs';
import { waitUntil } from './waiting.mjs';

const LIFETIME_S = 600;

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

    test('a value is the bytes that were set', async (t) => {
      const client = await connect(t, await startDaemon(t));
      for (const bytes of Object.values(BINARY)) {
        assert.equal(await client.set('session', bytes), 'OK');
        assert.deepEqual(await client.getBuffer('session'), bytes);
      }
      assert.equal(await client.get('missing'), null);
    });

    test('sets a string on a condition', async (t) => {
      const client = await connect(t, await startDaemon(t));
      assert.equal(await client.set('session', 'ada', 'XX'), null);
      assert.equal(await client.set('session', 'ada', 'EX', LIFETIME_S, 'NX'), 'OK');
      assert.equal(await client.set('session', 'grace', 'PX', 1, 'NX'), null);
      assert.equal(await client.set('session', 'mary', 'XX', 'GET'), 'ada');
      assert.equal(await client.setnx('session', 'grace'), 0);
      assert.deepEqual([await client.getdel('session'), await client.getdel('session')], ['mary', null]);
    });

    test('sets and gets many strings at once, in a transaction too', async (t) => {
      const client = await connect(t, await startDaemon(t));
      assert.equal(await client.mset({ a: 1, b: 2 }), 'OK');
      assert.deepEqual(await client.mget('a', 'b', 'c'), ['1', '2', null]);
      const replies = await client.multi().set('c', 3, 'EX', LIFETIME_S).incr('c').get('c').ttl('c').exec();
      assert.deepEqual(replies, [[null, 'OK'], [null, 4], [null, '4'], [null, LIFETIME_S]]);
    });

    test('gives a string a lifetime', async (t) => {
      const client = await connect(t, await startDaemon(t));
      const inS = Math.ceil(Date.now() / 1000) + LIFETIME_S;
      const ways = {
        EX: () => client.set('EX', 'ada', 'EX', LIFETIME_S),
        PX: () => client.set('PX', 'ada', 'PX', LIFETIME_S * 1000),
        EXAT: () => client.set('EXAT', 'ada', 'EXAT', inS),
        PXAT: () => client.set('PXAT', 'ada', 'PXAT', inS * 1000),
        SETEX: () => client.setex('SETEX', LIFETIME_S, 'ada'),
        PSETEX: () => client.psetex('PSETEX', LIFETIME_S * 1000, 'ada'),
      };
      for (const [key, set] of Object.entries(ways)) {
        assert.equal(await set(), 'OK');
        const [leftS, leftMs] = [await client.ttl(key), await client.pttl(key)];
        assert.ok(LIFETIME_S - 2 <= leftS && leftS <= LIFETIME_S + 1, `${key}: ${leftS} s`);
        assert.ok((LIFETIME_S - 2) * 1000 <= leftMs && leftMs <= (LIFETIME_S + 1) * 1000, `${key}: ${leftMs} ms`);
        assert.ok(Math.abs((await client.expiretime(key)) - inS) <= 1);
      }
      await client.set('EX', 'grace', 'KEEPTTL');
      assert.notEqual(await client.ttl('EX'), -1);
    });

    test('changes the lifetime of a string and of a set', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await client.set('string', 'ada');
      await client.sadd('set', 'a');
      for (const key of ['string', 'set']) {
        assert.equal(await client.ttl(key), -1);
        assert.equal(await client.expire(key, LIFETIME_S, 'NX'), 1);
        assert.equal(await client.expire(key, 2 * LIFETIME_S, 'NX'), 0);
        assert.equal(await client.pexpire(key, 2 * LIFETIME_S * 1000, 'GT'), 1);
        assert.equal(await client.expireat(key, Math.floor(Date.now() / 1000) + LIFETIME_S, 'LT'), 1);
        assert.equal(await client.persist(key), 1);
        assert.equal(await client.pttl(key), -1);
      }
      assert.equal(await client.expire('missing', LIFETIME_S), 0);
      assert.equal(await client.ttl('missing'), -2);
    });

    test('does not see what has expired', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await client.set('string', 'ada', 'PX', 50);
      await client.sadd('set', 'a');
      await client.pexpire('set', 50);
      await waitUntil(async () => (await client.exists('string', 'set')) === 0);
      assert.equal(await client.get('string'), null);
      assert.deepEqual([await client.scard('set'), await client.sismember('set', 'a')], [0, 0]);
    });

    test('a string and its lifetime outlive kill -9', async (t) => {
      const daemon = await startDaemon(t);
      const client = await connect(t, daemon);
      await client.set('session', 'ada', 'EX', LIFETIME_S);
      const end = await client.pexpiretime('session');
      const ready = new Promise((resolve) => client.once('ready', resolve));
      await daemon.kill();
      await daemon.start();
      await ready;
      assert.equal(await client.get('session'), 'ada');
      assert.equal(await client.pexpiretime('session'), end);
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
