// An application that listens, and a browser that keeps its cookie.

import { once } from 'node:events';

/** Listens until the test ends; returns the address. */
export async function listen(t, app) {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${server.address().port}`;
}

export class Browser {
  constructor(address, cookie) {
    this.address = address;
    this.cookie = cookie;
  }

  async fetch(path, { method = 'GET', headers = {} } = {}) {
    if (this.cookie) headers = { ...headers, cookie: this.cookie };
    const response = await fetch(this.address + path, { method, headers, signal: AbortSignal.timeout(20_000) });
    const cookie = response.headers.get('set-cookie');
    if (cookie) this.cookie = cookie.split(';')[0];
    return { status: response.status, text: await response.text() };
  }

  get = (path, headers) => this.fetch(path, { headers });
  post = (path, headers) => this.fetch(path, { method: 'POST', headers });
}
