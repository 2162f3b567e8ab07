"""A server that is loading, for as long as a test likes: it answers as the daemon does before its file is replayed."""

import socket
import socketserver
import threading
from contextlib import suppress

import hiredis

REPLIES = {
    b"HELLO": b"%3\r\n+server\r\n+redis\r\n+version\r\n+7.0.15\r\n+proto\r\n:3\r\n",
    b"CLIENT": b"+OK\r\n",
    b"INFO": b"$30\r\nloading:1\r\nasync_loading:0\r\n\r\n\r\n",
}
LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"


class LoadingServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True

    def __init__(self, port):
        super().__init__(("127.0.0.1", port), Connection)
        self.connections = []
        self.has_said_so = False

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        for connection in self.connections:
            with suppress(OSError):  # the client may have left
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()  # waits for the threads of the connections

    def get_request(self):
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        requests = hiredis.Reader()  # requests are arrays of strings, which are replies, too
        while received := self.request.recv(4096):
            requests.feed(received)
            while (command := requests.gets()) is not False:
                self.request.sendall(self.reply(command[0].upper()))

    def reply(self, command):
        self.server.has_said_so |= command == b"INFO" or command not in REPLIES
        return REPLIES.get(command, LOADING)
