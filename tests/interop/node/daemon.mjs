// The daemon as a process of its own, as in ../daemon.py.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A daemon of the test's own, stopped and its data removed when the test ends. */
export async function startDaemon(t, ...options) {
  const directory = await mkdtemp(join(tmpdir(), 'revoked-'));
  const daemon = new Daemon(await freePort(), directory, options);
  t.after(async () => {
    try {
      await daemon.stop();
    } finally {
      await rm(directory, { recursive: true });
    }
  });
  await daemon.start();
  return daemon;
}

class Daemon {
  constructor(port, directory, options) {
    this.port = port;
    this.arguments = ['--bind', '127.0.0.1', '--port', port, '--dir', directory, ...options];
  }

  async start() {
    this.child = spawn(process.env.INTEROP_DAEMON, this.arguments, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.exited = once(this.child, 'exit');
    const log = [];
    await new Promise((resolve, reject) => {
      createInterface({ input: this.child.stderr })
        .on('line', (line) => {
          log.push(line);
          if (line.includes('Ready to accept connections')) resolve();
        })
        .on('close', () => reject(new Error(`the daemon ended before it was ready:\n${log.join('\n')}`)));
    });
  }

  /** kill -9: the process gets no chance to put anything in order. */
  async kill() {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  /** Asks for an orderly end, as systemd does. */
  async stop() {
    this.child.kill('SIGTERM');
    const [status, signal] = await this.exited;
    assert.equal(status, 0, `the daemon was ended by ${signal}`);
  }
}

/** A port below those that the kernel hands out to clients: a client that redials a daemon which is down could be given
 *  the very port that it dials, and would be connected to itself. */
export async function freePort() {
  for (let tries = 0; tries < 100; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    try {
      probe.listen(port, '127.0.0.1');
      await once(probe, 'listening');
      return port;
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error;
    } finally {
      probe.close();
    }
  }
  throw new Error('no free port');
}
