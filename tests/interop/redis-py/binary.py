"""Members, keys or values that a client or a server with a wrong idea of bytes would change."""

import base64
import random

TOKEN = b".".join(base64.urlsafe_b64encode(random.Random(1).randbytes(n)).rstrip(b"=") for n in (60, 2900, 96))
BINARY = {
    "every byte": bytes(range(256)),
    "empty": b"",
    "protocol text": b"\r\n$-1\r\n*0\r\n",
    "4 KB token": TOKEN,
}
