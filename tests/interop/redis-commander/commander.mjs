// redis-commander as a process of its own, and its page in a browser.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { freePort } from '../node/daemon.mjs';

const PROGRAM = fileURLToPath(import.meta.resolve('redis-commander/bin/redis-commander.js'));
const BROWSER_OPTIONS = [
  '--no-sandbox', // as root, Chromium starts in no other way
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const STEP_TIMEOUT_MS = 15_000;

/** Headless, with a new profile that goes with it. */
export const startBrowser = () => chromium.launch({ executablePath: '/usr/bin/chromium', args: BROWSER_OPTIONS });

/** Hands `use` the page of a redis-commander of its own. At the end neither may have complained of anything. */
export async function withCommander(browser, daemon, options, use) {
  const directory = await mkdtemp(join(tmpdir(), 'revoked-commander-'));
  const commander = new Commander(directory, daemon, await freePort(), options);
  const page = await browser.newPage();
  page.setDefaultTimeout(STEP_TIMEOUT_MS);
  const complaints = collectComplaints(page);
  try {
    await commander.start();
    await page.goto(commander.address);
    await use(page);
  } finally {
    await page.close();
    await commander.stop();
    await rm(directory, { recursive: true });
  }
  assert.deepEqual([...complaints, ...commander.complaints()], []);
}

class Commander {
  log = [];

  constructor(directory, daemon, port, options) {
    this.address = `http://127.0.0.1:${port}/`;
    this.environment = { ...process.env, HOME: directory };
    this.arguments = [
      PROGRAM,
      ...['--noload', '--nosave', '--address', '127.0.0.1', '--port', port],
      ...['--redis-host', '127.0.0.1', '--redis-port', daemon.port, ...options],
    ];
  }

  async start() {
    this.child = spawn(process.execPath, this.arguments, { env: this.environment, stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = once(this.child, 'exit');
    await new Promise((resolve, reject) => {
      for (const output of [this.child.stdout, this.child.stderr]) {
        createInterface({ input: output })
          .on('line', (line) => {
            this.log.push(line);
            if (line.startsWith('access with browser at')) resolve();
          })
          .on('close', () => reject(new Error(`redis-commander ended before it was ready:\n${this.log.join('\n')}`)));
      }
    });
  }

  async stop() {
    this.child?.kill('SIGTERM');
    await this.exited;
  }

  complaints = () => this.log.filter((line) => /error|not supported|cannot|fail|unknown/i.test(line));
}

function collectComplaints(page) {
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
  });
  return complaints;
}
