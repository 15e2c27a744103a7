"""Providers and clients that behave as badly as they can, all at once, on the same workers."""

import os
import random
import threading

import crash
import wire
from gateway import chat_body, wait

REQUESTS = int(os.environ.get("AIGATED_CHAOS_REQUESTS", "600"))
MEGABYTE = 1 << 20

# What a provider does, and how often.
PROVIDERS = [
    (8, "delay_ms={ms}"), (4, "split_writes"), (3, "chunked split_writes"), (3, "until_eof"),
    (2, "until_eof split_writes"), (2, "chunk_delay_ms=1"), (2, "close_before_head"),
    (2, "reset_before_head"), (2, "cut_after_chunks={few}"), (2, "reset_after_chunks={few}"),
    (2, "cut_after_bytes={bytes}"), (2, "error_after_chunks={few}"), (2, "no_done"),
    (2, "garbage_chunk"), (2, "no_usage"), (1, "usage_negative"), (1, "usage_zero"),
    (2, "status=500"), (2, "status=429 retry_after=1"), (1, "status=400 chunked"),
    (1, "stall_after_chunks=2"), (1, "hang_before_head"), (1, "body_bytes=3000000"),
    (1, "body_bytes=12000000 chunked"), (1, "body_bytes=2000000 until_eof"),
    (1, "body_bytes=400000 chunks=3"),
]


class Chaos:
    """Clients in threads; every request has a name of its own, as in crash.Load."""

    def __init__(self, gateway, keys, total, seed, threads=12):
        self.gateway, self.keys, self.left = gateway, keys, total
        self.lock = threading.Lock()
        self.random = random.Random(seed)
        self.seen, self.wrong = {}, []
        self.threads = [threading.Thread(target=self._run, args=(seed * 1000 + n,), daemon=True)
                        for n in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def is_running(self):
        return any(t.is_alive() for t in self.threads)

    def _take(self):
        with self.lock:
            self.left -= 1
            return self.left if self.left >= 0 else None

    def _run(self, seed):
        dice = random.Random(seed)
        while (n := self._take()) is not None:
            how = dice.choice(CLIENTS)
            try:
                what = how(self, dice, n)
            except (OSError, wire.WireError) as error:
                what = type(error).__name__
            except Exception as error:  # an answer that makes no sense
                self.wrong.append(f"{how.__name__}: {error!r}")
                what = "wrong"
            with self.lock:
                key = (how.__name__, what)
                self.seen[key] = self.seen.get(key, 0) + 1

    # -- requests --------------------------------------------------------------------------

    def message(self, dice, n, part=0, text=None, provider=None, stream=None, headers=None):
        """(bytes of a whole request, its name)"""
        name = f"chaos-{n}-{part}"
        weights, ways = zip(*PROVIDERS)
        way = provider if provider is not None else dice.choices(ways, weights)[0]
        way = way.format(ms=dice.randrange(30), few=dice.randrange(4), bytes=dice.randrange(900))
        body = chat_body(
            text or "x" * dice.randrange(1, 3000), max_tokens=dice.randrange(1, 60),
            stream=dice.random() < 0.5 if stream is None else stream,
            user=f"mock: tokens={dice.randrange(1, 50)} {way}")
        sent = Recorder()
        wire.Connection.request(sent, "POST", "/v1/chat/completions", {
            "authorization": f"Bearer {self.keys[n % len(self.keys)]}",
            "x-portkey-trace-id": name, "x-client-request-id": name, **(headers or {})}, body)
        return sent.data, name

    def read(self, connection, name):
        """An answer, checked to be the one to `name`."""
        status, reason, headers = connection.read_head()
        assert headers.get("x-portkey-trace-id") == name, \
            f"{name} was answered with {status} for {headers.get('x-portkey-trace-id')}"
        body = b"".join(connection.read_pieces(status, headers, "POST"))
        return wire.Answer(status, reason, headers, body)


class Recorder:
    """Stands in for a connection: keeps what would be sent."""
    data = b""

    def send(self, data):
        self.data += data


def client_that_behaves(self, dice, n):
    """Several requests on a connection as long as it stands."""
    with self.gateway.connect() as connection:
        status = None
        for part in range(dice.randrange(1, 5)):
            data, name = self.message(dice, n, part)
            connection.send(data)
            answer = self.read(connection, name)
            status = answer.status
            if answer.headers.get("connection") == "close":
                assert connection.is_closed()
                break
        return status


def client_that_pipelines(self, dice, n):
    with self.gateway.connect() as connection:
        asked = [self.message(dice, n, part) for part in range(dice.randrange(2, 8))]
        connection.send(b"".join(data for data, _ in asked))
        for _, name in asked:
            status = self.read(connection, name).status
        return status


def client_that_leaves(self, dice, n):
    """Goes after some bytes of the answer, or before there are any."""
    connection = self.gateway.connect()
    data, _ = self.message(dice, n)
    connection.send(data)
    want = dice.choice([0, 0, 1, 200, 1000, 30000])
    connection.sock.settimeout(5)
    while want > 0:
        got = len(connection.sock.recv(want))
        want = want - got if got else 0
    dice.choice([connection.close, connection.reset])()
    return "left"


def client_that_leaves_while_asking(self, dice, n):
    data, _ = self.message(dice, n, text="y" * dice.choice([10, 5000, 3 * MEGABYTE]))
    connection = self.gateway.connect()
    connection.send(data[:dice.randrange(1, len(data))])
    dice.choice([connection.close, connection.reset])()
    return "left"


def client_that_reads_little(self, dice, n):
    """A few bytes at a time from a small window."""
    with self.gateway.connect() as connection:
        connection.sock.setsockopt(wire.socket.SOL_SOCKET, wire.socket.SO_RCVBUF, 4096)
        data, name = self.message(dice, n, provider="body_bytes=%d" % dice.randrange(1000, 500000))
        connection.send(data)
        left = 400
        while left > 0 and b"\r\n\r\n" not in connection.buffer:
            piece = connection.sock.recv(dice.randrange(1, 16))
            if not piece:
                raise wire.WireError("cut")
            connection.buffer += piece
            left -= 1
        return self.read(connection, name).status


def client_that_drips(self, dice, n):
    """The head byte by byte."""
    data, name = self.message(dice, n)
    with self.gateway.connect() as connection:
        cut = min(len(data), dice.randrange(1, 400))
        for i in range(cut):
            connection.send(data[i:i + 1])
        connection.send(data[cut:])
        return self.read(connection, name).status


def client_with_a_chunked_body(self, dice, n):
    data, name = self.message(dice, n, text="z" * dice.choice([1, 40000, MEGABYTE]))
    head, body = data.split(b"\r\n\r\n", 1)
    lines = [x for x in head.split(b"\r\n") if not x.lower().startswith(b"content-length")]
    with self.gateway.connect() as connection:
        connection.send(b"\r\n".join(lines) + b"\r\ntransfer-encoding: chunked\r\n\r\n")
        at = 0
        while at < len(body):
            size = dice.choice([1, 7, 4096, 70000, 300000])
            piece = body[at:at + size]
            at += len(piece)
            connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        connection.send(b"0\r\n\r\n")
        return self.read(connection, name).status


def client_with_a_large_body(self, dice, n):
    data, name = self.message(dice, n, text="w" * (dice.choice([1, 3, 8, 20]) * MEGABYTE))
    with self.gateway.connect(60) as connection:
        connection.send(data)
        return self.read(connection, name).status


def client_that_talks_nonsense(self, dice, n):
    data, _ = self.message(dice, n)
    broken = bytearray(data)
    for _ in range(dice.randrange(1, 6)):  # all but the name, by which it is found in the ledger
        broken[dice.randrange(data.index(b"x-portkey-trace-id"))] = dice.randrange(256)
    with self.gateway.connect(5) as connection:
        connection.send(bytes(broken))
        return connection.read_head()[0] // 100


CLIENTS = ([client_that_behaves] * 6 + [client_that_leaves] * 4 + [client_that_pipelines] * 3 +
           [client_that_leaves_while_asking, client_that_reads_little, client_that_drips,
            client_with_a_chunked_body, client_with_a_large_body, client_that_talks_nonsense])


def test_workers_survive_anything_and_every_cent_is_where_it_belongs(gateway_factory, mock):
    gateway = gateway_factory(conf={
        "upstream_first_byte_timeout": "3s", "stream_idle_timeout": "1s",
        "client_write_timeout": "5s", "client_body_timeout": "5s", "client_head_timeout": "5s",
        "ring_size": "4m"})
    workspace = gateway.workspace("chaos", usage_limits=[{"type": "cost", "credit_limit": 5000}])
    keys = [gateway.key(budget_usd=1000, workspace=workspace, rpm=10000000) for _ in range(3)]
    before = gateway.pids("worker")
    chaos = Chaos(gateway, keys, REQUESTS, seed=11).start()
    wait(lambda: not chaos.is_running(), "the clients to end", 170)
    assert not chaos.wrong, chaos.wrong[:5]
    assert sum(n for (_, what), n in chaos.seen.items() if what == 200) > REQUESTS / 8, chaos.seen
    mock.release()
    # What is refused for its shape does not stand in the provider's log.
    crash.assert_exact(gateway, mock, unseen={"upstream_4xx"})
    assert gateway.pids("worker") == before, "a worker died"
    assert gateway.stat()["inflight"] == []
    wait(lambda: gateway.chat(keys[0]).status == 200, "a request to be served")
