"""Answers that end badly, or slowly: nothing of them reaches the next request."""

import signal
import socket
import threading

import wire
from gateway import chat_body, wait

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
MEGABYTE = 1 << 20


class Provider:
    """Answers the first request on each connection by `answer`; keeps what else comes on it."""

    def __init__(self, answer):
        self.answer, self.requests = answer, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d/v1" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            self.requests.append(b"")
            threading.Thread(target=self._serve, args=(connection, len(self.requests) - 1),
                             daemon=True).start()

    def _serve(self, connection, ix):
        while data := self._receive(connection):
            before = self.requests[ix]
            self.requests[ix] += data
            if b"\r\n\r\n" in self.requests[ix] and b"\r\n\r\n" not in before:
                connection.sendall(self.answer)

    @staticmethod
    def _receive(connection):
        try:
            return connection.recv(65536)
        except ConnectionResetError:
            return b""


def test_a_connection_left_within_an_answer_is_not_used_again(gateway_factory, pg):
    """An event above the ceiling (16 MiB) ends the request; the provider says no more for now."""
    endless = b"data: ".ljust(16 * MEGABYTE + 1, b"x")
    provider = Provider(HEAD + b"%x\r\n" % (17 * MEGABYTE) + endless)
    gateway = gateway_factory(mock=provider.url, conf={"workers": "1"})
    key = gateway.key()
    for n in range(1, 3):
        with gateway.stream(key, "hi") as stream:
            events = stream.read_all()
            assert "too large" in str(events[-1]), events[-1]
        wait(lambda n=n: len(provider.requests) >= n, "the provider to be asked", 5)
    assert [r.count(b"POST ") for r in provider.requests] == [1, 1]


def slow_connection(gateway):
    """A connection with a small window, so that the answer waits in the gateway."""
    connection = wire.Connection.__new__(wire.Connection)
    connection.sock = socket.socket()
    connection.sock.settimeout(60)
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.sock.connect(gateway.address)
    connection.buffer = b""
    return connection


def ask_for(connection, key, size):
    connection.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"},
                       chat_body("hi", user=f"mock: body_bytes={size}"))


def test_a_slow_reader_is_not_cut_while_it_reads(gateway_factory, mock):
    """client_write_timeout is about clients that do not read, not about how long reading takes."""
    gateway = gateway_factory(mock=mock, conf={"workers": "1", "client_write_timeout": "1s"})
    size = 12 * MEGABYTE
    with slow_connection(gateway) as connection:
        ask_for(connection, gateway.key(), size)
        tick = threading.Event()
        got = b""
        for _ in range(40):
            got += connection.sock.recv(32768)
            tick.wait(0.1)
        connection.buffer = got
        answer = connection.read_answer()
    assert answer.status == 200 and len(answer.body) >= size


def test_one_that_does_not_read_is_cut(gateway_factory, mock):
    gateway = gateway_factory(mock=mock, conf={"workers": "1", "client_write_timeout": "300ms"})
    with slow_connection(gateway) as connection:
        ask_for(connection, gateway.key(), 16 * MEGABYTE)
        gateway.wait_counter("req_client_left", 1)
    gateway.wait_idle()


def test_answers_not_yet_read_outlive_a_drain(gateway_factory, mock):
    """Sizes step by less than what a worker queues: some requests are over, but not yet sent."""
    gateway = gateway_factory(mock=mock, conf={"workers": "1"})
    key = gateway.key()
    connections = []
    for step in range(32):
        connections.append(slow_connection(gateway))
        ask_for(connections[-1], key, 200000 * (step + 1))
    seen = [gateway.counter("req_answered")]

    def stands_still():
        seen.append(gateway.counter("req_answered"))
        return seen[-1] > 3 and seen[-30:] == [seen[-1]] * 30
    wait(stands_still, "what can be answered to be answered", 60)
    gateway.process.send_signal(signal.SIGQUIT)
    gateway.wait_log("worker/0.*draining")
    for step, connection in enumerate(connections):
        answer = connection.read_answer()
        assert answer.status == 200 and len(answer.body) >= 200000 * (step + 1)
        connection.close()
    gateway.process.wait(30)
    gateway.process = None
