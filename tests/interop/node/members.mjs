const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

/** Members, or keys, that a client or a server with a wrong idea of bytes would change. */
export const BINARY = {
  'every byte': EVERY_BYTE,
  empty: Buffer.alloc(0),
  'protocol text': Buffer.from('\r\n$-1\r\n*0\r\n'),
  'a 4 KB token': Buffer.from(Array.from({ length: 12 }, () => EVERY_BYTE.toString('base64url')).join('.')),
};

export const sorted = (buffers) => [...buffers].sort(Buffer.compare);
