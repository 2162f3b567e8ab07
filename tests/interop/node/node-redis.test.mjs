// node-redis: version 4, the last before RESP3; 5, the last that speaks RESP2 unless asked; and the newest.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { startDaemon } from './daemon.mjs';
import { BINARY, sorted } from './members.mjs';
import { waitUntil } from './waiting.mjs';

const LIFETIME_S = 600;

const VARIANTS = [
  { version: 4, options: {} },
  { version: 5, options: {} },
  { version: 5, options: { RESP: 3 } },
  { version: 6, options: { RESP: 2 } },
  { version: 6, options: { RESP: 3 } },
];

for (const { version, options } of VARIANTS) {
  const { createClient, commandOptions, RESP_TYPES } = await import(`redis-${version}`);

  const connect = async (t, daemon, more) => {
    const client = createClient({ socket: { port: daemon.port }, ...options, ...more });
    client.on('error', () => {}); // a lost connection is reported here, and made anew
    t.after(() => (version === 4 ? client.disconnect() : client.destroy()));
    return client.connect();
  };

  const membersAsBuffers = (client, key) =>
    version === 4
      ? client.sMembers(commandOptions({ returnBuffers: true }), key)
      : client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).sMembers(key);

  const valueAsBuffer = (client, key) =>
    version === 4
      ? client.get(commandOptions({ returnBuffers: true }), key)
      : client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }).get(key);

  const lasting = (type, value) => (version === 4 ? { [type]: value } : { expiration: { type, value } });
  const onlyIf = (condition) => (version === 4 ? { [condition]: true } : { condition });

  describe(`node-redis ${version}, RESP${options.RESP ?? 2}`, () => {
    test('connects', async (t) => {
      const client = await connect(t, await startDaemon(t));
      assert.equal(await client.ping(), 'PONG');
    });

    test('pipelines in order', async (t) => {
      const client = await connect(t, await startDaemon(t));
      const pipeline = client.multi();
      for (let n = 0; n < 3_000; n++) {
        pipeline.sAdd('revoked', `${n}`).sIsMember('revoked', `${n}`).sIsMember('revoked', 'x');
      }
      const replies = (await pipeline.execAsPipeline()).map(Number);
      assert.deepEqual(replies, Array(3_000).fill([1, 1, 0]).flat());
    });

    test('executes a transaction', async (t) => {
      const client = await connect(t, await startDaemon(t));
      const replies = await client.multi().sAdd('revoked', 'a').sIsMember('revoked', 'a').exec();
      assert.deepEqual(replies.map(Number), [1, 1]);
    });

    test('commands issued at once are answered in order', async (t) => {
      const client = await connect(t, await startDaemon(t));
      const replies = await Promise.all(Array.from({ length: 3_000 }, (_, n) => client.sAdd('revoked', `${n % 1_000}`)));
      assert.deepEqual(replies, Array.from({ length: 3_000 }, (_, n) => (n < 1_000 ? 1 : 0)));
    });

    test('tells many members from others at once', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await client.sAdd('revoked', ['a', 'c']);
      assert.deepEqual((await client.smIsMember('revoked', ['a', 'b', 'c'])).map(Number), [1, 0, 1]);
    });

    test('members are the bytes that were added', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await client.sAdd('revoked', Object.values(BINARY));
      assert.deepEqual(sorted(await membersAsBuffers(client, 'revoked')), sorted(Object.values(BINARY)));
    });

    for (const [name, bytes] of Object.entries(BINARY)) {
      test(`takes a binary key: ${name}`, async (t) => {
        const client = await connect(t, await startDaemon(t));
        await client.sAdd(bytes, 'a');
        assert.equal(Number(await client.sIsMember(bytes, 'a')), 1);
      });
    }

    test('scans keys', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await Promise.all(Array.from({ length: 500 }, (_, n) => client.sAdd(`user:${n}`, 'a')));
      await client.sAdd('other', 'a');
      const found = new Set();
      for await (const keys of client.scanIterator({ MATCH: 'user:*', COUNT: 50 })) {
        [keys].flat().forEach((key) => found.add(key)); // one at a time in version 4, then in lists
      }
      assert.equal(found.size, 500);
    });

    test('a value is the bytes that were set', async (t) => {
      const client = await connect(t, await startDaemon(t));
      for (const bytes of Object.values(BINARY)) {
        assert.equal(await client.set('session', bytes), 'OK');
        assert.deepEqual(await valueAsBuffer(client, 'session'), bytes);
      }
      assert.equal(await client.get('missing'), null);
    });

    test('sets a string on a condition', async (t) => {
      const client = await connect(t, await startDaemon(t));
      assert.equal(await client.set('session', 'ada', onlyIf('XX')), null);
      assert.equal(await client.set('session', 'ada', onlyIf('NX')), 'OK');
      assert.equal(await client.set('session', 'grace', onlyIf('NX')), null);
      assert.equal(await client.set('session', 'mary', { ...onlyIf('XX'), GET: true }), 'ada');
      assert.equal(Number(await client.setNX('session', 'grace')), 0);
      assert.deepEqual([await client.getDel('session'), await client.getDel('session')], ['mary', null]);
    });

    test('sets and gets many strings at once, in a transaction too', async (t) => {
      const client = await connect(t, await startDaemon(t));
      assert.equal(await client.mSet({ a: '1', b: '2' }), 'OK');
      assert.deepEqual(await client.mGet(['a', 'b', 'c']), ['1', '2', null]);
      const replies = await client.multi().set('c', '3', lasting('EX', LIFETIME_S)).incr('c').get('c').ttl('c').exec();
      assert.deepEqual(replies, ['OK', 4, '4', LIFETIME_S]);
    });

    test('gives a string a lifetime', async (t) => {
      const client = await connect(t, await startDaemon(t));
      const inS = Math.ceil(Date.now() / 1000) + LIFETIME_S;
      const ways = {
        EX: () => client.set('EX', 'ada', lasting('EX', LIFETIME_S)),
        PX: () => client.set('PX', 'ada', lasting('PX', LIFETIME_S * 1000)),
        EXAT: () => client.set('EXAT', 'ada', lasting('EXAT', inS)),
        PXAT: () => client.set('PXAT', 'ada', lasting('PXAT', inS * 1000)),
        SETEX: () => client.setEx('SETEX', LIFETIME_S, 'ada'),
        PSETEX: () => client.pSetEx('PSETEX', LIFETIME_S * 1000, 'ada'),
      };
      for (const [key, set] of Object.entries(ways)) {
        assert.equal(await set(), 'OK');
        const [leftS, leftMs] = [await client.ttl(key), await client.pTTL(key)];
        assert.ok(LIFETIME_S - 2 <= leftS && leftS <= LIFETIME_S + 1, `${key}: ${leftS} s`);
        assert.ok((LIFETIME_S - 2) * 1000 <= leftMs && leftMs <= (LIFETIME_S + 1) * 1000, `${key}: ${leftMs} ms`);
        assert.ok(Math.abs((await client.expireTime(key)) - inS) <= 1);
      }
      await client.set('EX', 'grace', version === 4 ? { KEEPTTL: true } : { expiration: 'KEEPTTL' });
      assert.notEqual(await client.ttl('EX'), -1);
    });

    test('changes the lifetime of a string and of a set', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await client.set('string', 'ada');
      await client.sAdd('set', 'a');
      for (const key of ['string', 'set']) {
        assert.equal(await client.ttl(key), -1);
        assert.equal(Number(await client.expire(key, LIFETIME_S, 'NX')), 1);
        assert.equal(Number(await client.expire(key, 2 * LIFETIME_S, 'NX')), 0);
        assert.equal(Number(await client.pExpire(key, 2 * LIFETIME_S * 1000, 'GT')), 1);
        assert.equal(Number(await client.expireAt(key, new Date(Date.now() + LIFETIME_S * 1000), 'LT')), 1);
        assert.equal(Number(await client.persist(key)), 1);
        assert.equal(await client.pTTL(key), -1);
      }
      assert.equal(Number(await client.expire('missing', LIFETIME_S)), 0);
      assert.equal(await client.ttl('missing'), -2);
    });

    test('does not see what has expired', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await client.set('string', 'ada', lasting('PX', 50));
      await client.sAdd('set', 'a');
      await client.pExpire('set', 50);
      await waitUntil(async () => (await client.exists(['string', 'set'])) === 0);
      assert.equal(await client.get('string'), null);
      assert.equal(await client.sCard('set'), 0);
      assert.equal(Number(await client.sIsMember('set', 'a')), 0);
    });

    test('a string and its lifetime outlive kill -9', async (t) => {
      const daemon = await startDaemon(t);
      const client = await connect(t, daemon);
      await client.set('session', 'ada', lasting('EX', LIFETIME_S));
      const end = await client.pExpireTime('session');
      const ready = new Promise((resolve) => client.once('ready', resolve));
      await daemon.kill();
      await daemon.start();
      await ready;
      assert.equal(await client.get('session'), 'ada');
      assert.equal(await client.pExpireTime('session'), end);
    });

    test('hears what is published, and goes on with commands', async (t) => {
      const daemon = await startDaemon(t);
      const [subscriber, publisher] = [await connect(t, daemon), await connect(t, daemon)];
      const heard = [];
      const all = new Promise((resolve) => {
        const listener = (message, channel) => {
          heard.push(`${channel} ${message}`);
          if (message === 'last') resolve();
        };
        subscriber.subscribe('revoked', listener).then(() => subscriber.pSubscribe('rest*', listener)).then(async () => {
          for (let n = 0; n < 1_000; n++) assert.equal(await publisher.publish('revoked', `${n}`), 1);
          assert.equal(await publisher.publish('other', 'x'), 0);
          assert.equal(await publisher.publish('restored', 'last'), 1);
        });
      });
      await all;
      assert.deepEqual(heard, [...Array.from({ length: 1_000 }, (_, n) => `revoked ${n}`), 'restored last']);
      await subscriber.unsubscribe('revoked');
      await subscriber.pUnsubscribe('rest*');
      assert.equal(await publisher.publish('revoked', 'x'), 0);
      assert.equal(await subscriber.sAdd('k', 'a'), 1);
    });

    test('hears shard channels', async (t) => {
      const daemon = await startDaemon(t);
      const [subscriber, publisher] = [await connect(t, daemon), await connect(t, daemon)];
      const heard = new Promise((resolve, reject) => {
        subscriber.sSubscribe('revoked', resolve).then(() => publisher.sPublish('revoked', 'token-1')).catch(reject);
      });
      assert.equal(await heard, 'token-1');
      await subscriber.sUnsubscribe('revoked');
    });

    test('subscribes again after kill -9', async (t) => {
      const daemon = await startDaemon(t);
      const [subscriber, publisher] = [await connect(t, daemon), await connect(t, daemon)];
      let hear;
      const heard = new Promise((resolve) => (hear = resolve));
      await subscriber.subscribe('revoked', (message) => hear(message));
      const ready = [subscriber, publisher].map((client) => new Promise((resolve) => client.once('ready', resolve)));
      await daemon.kill();
      await daemon.start();
      await Promise.all(ready);
      while ((await publisher.publish('revoked', 'token-1')) === 0);
      assert.equal(await heard, 'token-1');
    });

    test('selects a database', async (t) => {
      const daemon = await startDaemon(t);
      const third = await connect(t, daemon, { database: 3 });
      await third.sAdd('revoked', 'a');
      const zeroth = await connect(t, daemon);
      assert.deepEqual([await third.dbSize(), await zeroth.dbSize()], [1, 0]);
    });

    test('authenticates', async (t) => {
      const client = await connect(t, await startDaemon(t, '--requirepass', 'secret'), { password: 'secret' });
      assert.equal(await client.sAdd('revoked', 'a'), 1);
    });

    test('is refused with a wrong password', async (t) => {
      const daemon = await startDaemon(t, '--requirepass', 'secret');
      const client = createClient({
        socket: { port: daemon.port, reconnectStrategy: false },
        ...options,
        password: 'guess',
      });
      client.on('error', () => {});
      await assert.rejects(client.connect(), /WRONGPASS/);
    });

    test('names an unknown command', async (t) => {
      const client = await connect(t, await startDaemon(t));
      await assert.rejects(
        client.sendCommand(['NOSUCH', 'a']),
        /^(Simple|Reply)?Error: ERR unknown command 'NOSUCH', with args beginning with: 'a'/,
      );
    });

    test('reconnects by itself after kill -9, to all that was acknowledged', async (t) => {
      const daemon = await startDaemon(t);
      const client = await connect(t, daemon);
      await client.sAdd('revoked', ['a', 'b']);
      const ready = new Promise((resolve) => client.once('ready', resolve));
      await daemon.kill();
      await daemon.start();
      await ready;
      assert.equal(await client.sCard('revoked'), 2);
    });
  });
}
