"""Load and murder: what the crash tests have in common.

Every request carries an id of its own, in x-portkey-trace-id (which the ledger keeps) and in
x-client-request-id (which the provider logs), so that each attempt the provider saw can be looked
for in the ledger by name.
"""

import itertools
import random
import threading
import time

import wire
from gateway import chat_body, wait


class Load:
    """Clients that ask one thing after another until told to stop or all is asked; each pauses so many
    seconds between."""

    def __init__(self, gateway, keys, total, threads=16, seed=1, pause=0):
        self.gateway, self.keys, self.total = gateway, keys, total
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()
        self.statuses = {}
        self.asked = 0
        self.random = random.Random(seed)
        self.pause = pause
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(n,), daemon=True)
                        for n in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def join(self):
        for thread in self.threads:
            thread.join()
        return self

    def is_running(self):
        return any(t.is_alive() for t in self.threads)

    def _next(self):
        with self.lock:
            n = next(self.numbers)
            if n > self.total or self.stopping.is_set():
                return None
            self.asked = n
            return n, self.random.random(), self.keys[n % len(self.keys)]

    def _run(self, _):
        connection = None
        while True:
            work = self._next()
            if work is None:
                break
            connection = self._ask(connection, *work)
            if self.pause:
                self.stopping.wait(self.pause)
        if connection is not None:
            connection.close()

    def _ask(self, connection, n, dice, key):
        """One request; returns the connection when it can be used again."""
        name = f"crash-{n}"
        headers = {"authorization": f"Bearer {key}", "x-portkey-trace-id": name,
                   "x-client-request-id": name}
        body = chat_body("x" * (1 + n % 300), stream=dice < 0.4, max_tokens=1 + n % 50,
                         user=f"mock: tokens={1 + n % 40} delay_ms={n % 20} chunk_delay_ms={n % 3}")
        try:
            if connection is None:
                connection = self.gateway.connect(timeout=30)
            connection.request("POST", "/v1/chat/completions", headers, body)
            answer = connection.read_answer()
            self._count(answer.status)
            return connection
        except (OSError, wire.WireError, AssertionError, StopIteration) as error:
            self._count(type(error).__name__)
            if connection is not None:
                connection.close()
            if isinstance(error, (ConnectionRefusedError, StopIteration)):  # no listener, no port yet
                time.sleep(0.01)
            return None

    def _count(self, what):
        with self.lock:
            self.statuses[what] = self.statuses.get(what, 0) + 1


def budgets(gateway):
    """{meter id: (used, settled)} of the budgets in shared memory."""
    return {m["id"]: m for m in gateway.meters() if m["kind"] == "budget"}


def charged(gateway):
    """{meter id: sum of the ledger's charges}"""
    rows = gateway.rows("select m, sum(a) from aigate.ledger,"
                        " unnest(charge_meter_id, charge_amount) as c(m, a) group by m")
    return {int(m): int(a) for m, a in rows}


def assert_exact(gateway, mock, patience=60, unseen=()):
    """Every attempt the provider saw is one row, meters are the sum of the rows, nothing is held.
    unseen: further outcomes of attempts that the provider's log does not show."""
    wait(lambda: not gateway.slots(), "requests in flight to end", patience)
    wait(lambda: _drained(gateway), "the ledger to hold every record", patience)
    twice = gateway.rows("select request_id, attempt, count(*) from aigate.ledger"
                         " group by 1, 2 having count(*) > 1")
    assert twice == [], "attempts recorded twice"
    gaps = gateway.rows("select worker, from_seq, to_seq from aigate.ledger_gap")
    assert gaps == [], "record numbers that never arrived"
    assert_every_attempt_has_a_row(gateway, mock, unseen)

    def is_equal():
        sums = charged(gateway)
        return all(int(m["used"]) == sums.get(int(i), 0) for i, m in budgets(gateway).items())
    try:
        wait(is_equal, "the meters to be the sum of the rows", patience)
    except AssertionError as error:
        sums = charged(gateway)
        wrong = {i: (m["used"], sums.get(int(i), 0)) for i, m in budgets(gateway).items()
                 if int(m["used"]) != sums.get(int(i), 0)}
        raise AssertionError(f"{error}: meter id: (used, charged) {wrong}") from None


def _drained(gateway):
    return all(r["stored_seq"] >= r["last_seq"] for r in gateway.stat()["rings"])


def assert_every_attempt_has_a_row(gateway, mock, may_be_unseen=()):
    seen = {}
    for entry in mock.log():
        name = entry.get("client_request_id") or entry.get("x_client_request_id")
        seen[name] = seen.get(name, 0) + 1
    rows = {}
    for trace, outcome in gateway.rows("select trace_id, outcome from aigate.ledger"):
        rows.setdefault(trace, []).append(outcome)
    missing = {n: (c, rows.get(n)) for n, c in seen.items() if c > len(rows.get(n, []))}
    assert not missing, f"attempts without a row: {dict(list(missing.items())[:5])}"
    # A row without a request at the provider is one whose bytes may have gone and did not.
    unseen = {n: o for n, o in rows.items() if len(o) > seen.get(n, 0)}
    odd = {n: o for n, o in unseen.items()
           if not set(o) & {"worker_died", "upstream_broke_before", "connect_failed",
                            "client_left_before", *may_be_unseen}}
    assert not odd, f"rows nobody asked the provider for: {dict(list(odd.items())[:5])}"
