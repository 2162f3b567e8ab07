// redis-commander, the way an operator uses it: its page in a real browser.
//
// What it sends: on connect `info`, `command`, `module list`, `info cluster`, `client setname redis-commander`; for the
// tree `scan 0 MATCH * COUNT 100`, then `type` and `scard` of each key; for a key `type`, `smembers` or `get`, `ttl`.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { startDaemon } from '../node/daemon.mjs';
import { waitUntil } from '../node/waiting.mjs';
import { startBrowser, withCommander } from './commander.mjs';

/** What redis-cli answers, without its last line feed. */
async function redisCli(daemon, ...command) {
  const { stdout } = await promisify(execFile)('redis-cli', ['-p', daemon.port, ...command], { timeout: 20_000 });
  return stdout.trimEnd();
}

async function addKeys(daemon) {
  for (const command of [
    ['SADD', 'revoked', 'first token', 'second token', '{"jti":"third"}'],
    ['SADD', 'user:1:sessions', 'a', 'b'],
    ['SET', 'session', '{"name":"ada"}', 'EX', '600'],
    ['SET', 'kept', 'for ever'],
  ]) {
    await redisCli(daemon, ...command);
  }
}

const keyOf = (page, name) => page.locator('#keyTree a.jstree-anchor').getByText(name, { exact: true });
const opened = (page) => page.locator('#itemData');
const hasLabel = (page, text) => opened(page).locator('label').getByText(text, { exact: true }).waitFor();
const enter = async (page, command) => {
  await page.locator('#_readline_input').fill(command);
  await page.locator('#_readline_input').press('Enter');
};

describe('redis-commander', () => {
  let browser;
  before(async () => (browser = await startBrowser()));
  after(() => browser.close());

  const testPage = (name, use) =>
    test(name, async (t) => {
      const daemon = await startDaemon(t);
      await addKeys(daemon);
      await withCommander(browser, daemon, [], async (page) => {
        await keyOf(page, 'kept').waitFor(); // the tree stumbles when it is refreshed while it loads
        await use(page, daemon);
      });
    });

  testPage('shows each key, a set with its size', async (page) => {
    for (const name of ['revoked (3)', 'session', 'kept', 'user:* (1)']) await keyOf(page, name).waitFor();
  });

  testPage('shows keys below a common prefix when it is opened', async (page) => {
    await keyOf(page, 'user:* (1)').dblclick();
    await keyOf(page, '1:* (1)').dblclick();
    await keyOf(page, 'sessions (2)').click();
    await hasLabel(page, 'Key: user:1:sessions');
  });

  testPage('shows the members of a set', async (page) => {
    await keyOf(page, 'revoked (3)').click();
    await hasLabel(page, 'Type: Set (3 Members)');
    await hasLabel(page, 'TTL: -1');
    const members = await opened(page).locator('td.text-renderer').allInnerTexts();
    assert.deepEqual(new Set(members), new Set(['first token', 'second token', '{"jti":"third"}']));
  });

  testPage('shows a string, and what is left of its life', async (page) => {
    await keyOf(page, 'session').click();
    await hasLabel(page, /^TTL: (600|59\d)$/);
    assert.equal(await page.locator('#stringValue').inputValue(), '{"name":"ada"}');
    await keyOf(page, 'kept').click();
    await hasLabel(page, 'TTL: -1');
    assert.equal(await page.locator('#stringValue').inputValue(), 'for ever');
  });

  testPage('shows what the server tells of itself', async (page, daemon) => {
    await keyOf(page, `local (127.0.0.1:${daemon.port}:0)`).click();
    for (const name of ['Redis version', 'Uptime in seconds', 'Connected clients', 'Used memory human']) {
      await page.getByRole('cell', { name, exact: true }).waitFor();
    }
    await page.getByRole('cell', { name: /keys=4,expires=1/ }).waitFor();
  });

  testPage('adds a member', async (page, daemon) => {
    await keyOf(page, 'revoked (3)').click();
    await page.getByRole('button', { name: 'Add New Member...' }).click();
    await page.locator('#addSetMemberName').fill('fourth token');
    await page.locator('#saveMemberButton').click();
    await keyOf(page, 'revoked (4)').waitFor();
    assert.equal(await redisCli(daemon, 'SISMEMBER', 'revoked', 'fourth token'), '1');
  });

  testPage('saves a string', async (page, daemon) => {
    await keyOf(page, 'kept').click();
    await page.locator('#stringValue').fill('for now');
    await page.getByRole('button', { name: 'Save' }).click();
    await waitUntil(async () => (await redisCli(daemon, 'GET', 'kept')) === 'for now');
  });

  testPage('deletes a key', async (page, daemon) => {
    page.on('dialog', (dialog) => dialog.accept());
    await keyOf(page, 'revoked (3)').click();
    await page.getByRole('button', { name: 'Delete Key' }).click();
    await keyOf(page, 'revoked (3)').waitFor({ state: 'detached' });
    assert.equal(await redisCli(daemon, 'EXISTS', 'revoked'), '0');
  });

  testPage('sends what is typed', async (page) => {
    await enter(page, 'smismember revoked "first token" other');
    const output = page.locator('#commandLineOutput'); // shown while the pointer is there
    await output.getByText('1) 1').and(output).waitFor({ state: 'attached' });
    assert.match((await output.innerHTML()).replaceAll('&nbsp;', ' '), /<br>1\) 1<br>2\) 0$/);
  });

  test('takes a password', async (t) => {
    const daemon = await startDaemon(t, '--requirepass', 'secret');
    await redisCli(daemon, '--no-auth-warning', '-a', 'secret', 'SADD', 'revoked', 'a');
    await withCommander(browser, daemon, ['--redis-password', 'secret'], (page) => keyOf(page, 'revoked (1)').waitFor());
  });
});
