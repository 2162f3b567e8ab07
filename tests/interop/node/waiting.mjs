// Waiting for what happens by itself, such as an expiry.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';

const TIMEOUT_MS = 20_000;
const POLL_MS = 10;

export async function waitUntil(condition) {
  const deadline = performance.now() + TIMEOUT_MS;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `still not so after ${TIMEOUT_MS} ms`);
    await pause(POLL_MS);
  }
}
