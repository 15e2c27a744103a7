"""A small HTTP/1.1 client that hides nothing: bytes as they came, events one by one, cuts on demand."""

import json
import socket
import struct
import threading


class WireError(Exception):
    """The connection ended before the answer did."""


class Headers(dict):
    """Lower-case names; several of one name are joined by ", "."""

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return super().__contains__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class Answer:
    """A whole answer."""

    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def message(self):
        """The sentence in an error, whatever its shape; else the text."""
        try:
            body = self.json
        except ValueError:
            return self.text
        for path in (("error", "message"), ("message",), ("data", "message")):
            found = body
            for name in path:
                found = found.get(name) if isinstance(found, dict) else None
            if isinstance(found, str):
                return found
        return self.text

    @property
    def content(self):
        """The text of the first choice of a chat completion."""
        return self.json["choices"][0]["message"]["content"]

    @property
    def usage(self):
        return self.json.get("usage")

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.text[:300]!r}>"


class Connection:
    """One TCP connection; may carry several requests, one after the other."""

    def __init__(self, address, timeout=30):
        self.sock = socket.create_connection(address, timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        """Bytes as they are."""
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def request(self, method, path, headers=None, body=None):
        """Sends a request; read_head() or read_answer() comes next."""
        if isinstance(body, (dict, list)):
            body = json.dumps(body, separators=(",", ":"))
        if isinstance(body, str):
            body = body.encode()
        lines = {"host": "gateway.test"}
        if body is not None:
            lines["content-type"] = "application/json"
            lines["content-length"] = str(len(body))
        lines.update({k.lower(): v for k, v in (headers or {}).items()})
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(
            f"{k}: {v}\r\n" for k, v in lines.items() if v is not None)
        self.send(head.encode("latin-1") + b"\r\n" + (body or b""))

    def read_head(self):
        """(status, reason, headers)"""
        while True:
            head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
            _, status, *reason = head[0].split(" ", 2)
            headers = Headers()
            for line in head[1:]:
                if not line:
                    continue
                name, value = line.split(":", 1)
                name, value = name.lower(), value.strip()
                headers[name] = headers[name] + ", " + value if name in headers else value
            if not status.startswith("1"):
                return int(status), "".join(reason), headers

    def read_pieces(self, status, headers, method="GET"):
        """The body, piece by piece as framing and network cut it."""
        if method == "HEAD" or status in (204, 304):
            return
        if "chunked" in headers.get("transfer-encoding", ""):
            while True:
                size = int(self._until(b"\r\n").split(b";")[0], 16)
                if size == 0:
                    while self._until(b"\r\n") != b"\r\n":
                        pass
                    return
                yield self._exactly(size)
                if self._exactly(2) != b"\r\n":
                    raise WireError("chunk without its end")
        elif "content-length" in headers:
            yield self._exactly(int(headers["content-length"]))
        else:
            if self.buffer:
                piece, self.buffer = self.buffer, b""
                yield piece
            while True:
                piece = self.sock.recv(65536)
                if not piece:
                    return
                yield piece

    def read_answer(self, method="GET"):
        """A whole Answer."""
        status, reason, headers = self.read_head()
        body = b"".join(self.read_pieces(status, headers, method))
        return Answer(status, reason, headers, body)

    def is_closed(self, timeout=5):
        """Whether the other side ends the connection within the time."""
        self.sock.settimeout(timeout)
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.sock.close()

    def reset(self):
        """Ends it by RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _fill(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise WireError(f"connection ended early; unread: {self.buffer[:200]!r}")
        self.buffer += piece

    def _until(self, mark):
        while mark not in self.buffer:
            self._fill()
        end = self.buffer.index(mark) + len(mark)
        found, self.buffer = self.buffer[:end], self.buffer[end:]
        return found

    def _exactly(self, n):
        while len(self.buffer) < n:
            self._fill()
        found, self.buffer = self.buffer[:n], self.buffer[n:]
        return found


class Stream:
    """An answer read event by event: `for event in stream` yields the data of each, as text."""

    def __init__(self, connection):
        self.connection = connection
        self.status, self.reason, self.headers = connection.read_head()
        self._pieces = connection.read_pieces(self.status, self.headers, "POST")
        self._text = b""
        self.raw = b""
        self.is_done = False      # data: [DONE] was seen
        self.ended_early = False  # the connection was cut

    def __iter__(self):
        return self

    def __next__(self):
        event = self.next_event()
        if event is None:
            raise StopIteration
        return event

    def next_event(self):
        """Text behind "data:", or None at the end."""
        while b"\n\n" not in self._text and b"\r\n\r\n" not in self._text:
            try:
                piece = next(self._pieces)
            except StopIteration:
                return None
            except (WireError, ConnectionResetError):
                self.ended_early = True
                return None
            self.raw += piece
            self._text += piece
        normal = self._text.replace(b"\r\n", b"\n")
        event, self._text = normal.split(b"\n\n", 1)
        data = "\n".join(line[5:].lstrip() for line in event.decode("utf-8", "replace").split("\n")
                         if line.startswith("data:"))
        if data == "[DONE]":
            self.is_done = True
        return data

    def next_json(self):
        """The next event as JSON; None at [DONE] and at the end."""
        event = self.next_event()
        return None if event is None or event == "[DONE]" else json.loads(event)

    def read_all(self):
        """Every event as JSON, [DONE] left out."""
        return [json.loads(e) for e in self if e and e != "[DONE]"]

    def answer(self):
        """When it is no stream after all: the rest as an Answer."""
        try:
            for piece in self._pieces:
                self._text += piece
        except (WireError, ConnectionResetError):
            self.ended_early = True
        return Answer(self.status, self.reason, self.headers, self._text)

    @staticmethod
    def content_of(events):
        """The text the chunks of a chat completion add up to."""
        return "".join(c["delta"].get("content") or ""
                       for e in events for c in e.get("choices", []))

    def close(self):
        self.connection.close()

    def reset(self):
        self.connection.reset()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Pending:
    """An answer somebody is still waiting for, in a thread of its own."""

    def __init__(self, ask):
        self._result = self._error = None

        def run():
            try:
                self._result = ask()
            except BaseException as error:  # handed to whoever asks for the answer
                self._error = error
        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    @property
    def is_finished(self):
        return not self._thread.is_alive()

    def answer(self, timeout=60):
        """The Answer; raises what the request raised."""
        self._thread.join(timeout)
        assert not self._thread.is_alive(), f"no answer after {timeout} s"
        if self._error is not None:
            raise self._error
        return self._result

    @property
    def status(self):
        return self.answer().status


def ask(address, method, path, headers=None, body=None, timeout=30):
    """One request on a connection of its own."""
    with Connection(address, timeout) as connection:
        connection.request(method, path, {"connection": "close", **(headers or {})}, body)
        return connection.read_answer(method)
