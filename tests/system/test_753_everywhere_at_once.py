"""When an admin call has answered, the next request obeys it, on every worker: for each of many keys, made and
revoked, each worker is asked at once over a connection of its own.  None may lag once.

AIGATED_EVERYWHERE_KEYS sets how many; 10000 for the promise itself."""

import os
import random
import threading
import time

import pytest

import wire
from gateway import chat_body
from plane import connections_to_all_workers

KEYS = int(os.environ.get("AIGATED_EVERYWHERE_KEYS", "250"))
WORKERS = 3


@pytest.fixture
def plane(gateway_factory, mock):
    return gateway_factory(mock=mock, conf={"workers": str(WORKERS), "admin_rate": "0"})


class Traffic:
    """Requests of another key, all the time: workers that have work to do beside."""

    def __init__(self, plane, key):
        self.plane, self.connection, self.key, self.wrong, self.served = plane, plane.connect(), key, [], 0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.is_over.is_set():
            try:
                status = chat(self.connection, self.key)
            except (OSError, wire.WireError):  # a connection is not kept for ever
                self.connection = self.plane.connect()
                continue
            self.served += 1
            if status != 200:
                self.wrong.append(status)

    def end(self):
        self.is_over.set()
        self.thread.join(60)
        assert self.wrong == [] and self.served > 0


def chat(connection, key):
    connection.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, chat_body("hi"))
    return connection.read_answer("POST").status


def admin(connection, plane, method, path, body=None):
    connection.request(method, "/v1" + path, {"x-portkey-api-key": plane.admin_key}, body)
    answer = connection.read_answer(method)
    assert answer.status == 200, answer
    return answer.json


def figures(what, seconds):
    seconds = sorted(seconds)
    print(f"{what}: {len(seconds)} asked at once, median {seconds[len(seconds) // 2] * 1e3:.2f} ms, "
          f"99th {seconds[len(seconds) * 99 // 100] * 1e3:.2f} ms, longest {seconds[-1] * 1e3:.2f} ms")


@pytest.mark.timeout(120 + KEYS)
def test_a_key_works_and_ends_on_every_worker_in_the_next_request(plane):
    workspace = plane.default_workspace()["slug"]
    office, doors = plane.connect(), connections_to_all_workers(plane, 1)
    assert len(doors) == WORKERS
    dice, lagged, used, ended = random.Random(1), [], [], []
    traffic = Traffic(plane, plane.key())

    def ask_all(key, want, times, n):
        dice.shuffle(doors)
        begun = time.monotonic()
        for door in doors:
            status = chat(door, key)
            times.append(time.monotonic() - begun)
            if status != want:
                lagged.append((n, status, want))
    for n in range(KEYS):
        made = admin(office, plane, "POST", "/api-keys/workspace/service", {
            "name": f"k{n}", "scopes": ["completions.write"], "workspace_id": workspace,
            **({"usage_limits": {"credit_limit": 5, "type": "cost"}} if n % 2 else {})})
        ask_all(made["key"], 200, used, n)
        admin(office, plane, "DELETE", f"/api-keys/{made['id']}")
        ask_all(made["key"], 401, ended, n)
    traffic.end()
    figures("made", used)
    figures("revoked", ended)
    assert lagged == [], f"{len(lagged)} of {2 * WORKERS * KEYS} lagged"
