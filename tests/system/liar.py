"""A provider that says what a test wants, byte for byte: for what no honest one would say."""

import socket
import threading


class Liar:
    """answer(head, body) returns the bytes of the answer, or what is called with the connection to
    write it.  `heads` are those it was sent."""

    def __init__(self, answer):
        self.heads = []
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def close(self):
        # Who waits in accept() is woken; else it went on, and took what was meant for who came after it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self._talk(connection)
        except OSError:
            pass  # the gateway had enough

    def _talk(self, connection):
        data = b""
        with connection:
            while True:
                while b"\r\n\r\n" not in data:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    data += piece
                head, _, data = data.partition(b"\r\n\r\n")
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n")
                               if line.lower().startswith(b"content-length:")), 0)
                while len(data) < length:
                    data += connection.recv(65536)
                body, data = data[:length], data[length:]
                self.heads.append(head.decode("latin-1"))
                said = self._answer(head.decode("latin-1"), body)
                if callable(said):
                    said(connection)
                    return
                connection.sendall(said)


def answer(status, body, *lines):
    """A whole answer; lines are headers as they stand on the wire."""
    text = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(body)}", *lines]
    return ("\r\n".join(text) + "\r\n\r\n").encode("latin-1") + body
