"""The promises about limits, each at every level and for every kind: exactly as many get through as
the limit pays for, nobody starves under a small one, and nothing stays held."""

import json
import os
import random
import threading
from decimal import Decimal

import pytest

import crash
import wire
from gateway import chat_body, wait
from plane import _provider, connections_to_all_workers, mini_cost, plane, provider  # noqa: F401

CONF = {"workers": "4", "fit_min_tokens": "16"}
CLIENTS, K, OUTPUT = 200, 3, 1000
LEVELS = ["key", "workspace", "grant", "provider", "organisation", "policy"]


def usd(nusd):
    return json.loads(format(Decimal(nusd) / 10**9, "f"))


@pytest.fixture(scope="module")
def crowd(plane):
    """Two hundred clients, as many on each worker."""
    connections = connections_to_all_workers(plane, CLIENTS // 4)
    yield connections
    for c in connections:
        c.close()


# -- exactly K of two hundred --------------------------------------------------------------------

def limits(worst, tokens, level):
    """name: (usage limit, rate limit, counter of its refusals, status)"""
    def rate(kind, unit, value):
        return {"type": kind, "unit": unit, "value": value}
    found = {
        "cost": ({"type": "cost", "credit_limit": usd(K * worst)}, None, "req_denied_budget", 412),
        "tokens": ({"type": "tokens", "credit_limit": K * tokens}, None, "req_denied_budget", 412),
        "requests a day": (None, rate("requests", "rpd", K), "req_denied_rate", 429),
        "tokens a day": (None, rate("tokens", "rpd", K * tokens), "req_denied_rate", 429),
        "at a time": (None, rate("requests", "concurrent", K), "req_denied_concurrency", 429),
    }
    if level == "policy":
        found["requests"] = ({"type": "requests", "credit_limit": K}, None, "req_denied_budget", 412)
    return found


class Bound:
    """A key under one limit at one level, and what takes that limit away again."""

    def __init__(self, plane, level, usage, rate):
        self.plane, self.level = plane, level
        self.model, self.policy = "@mock/gpt-4o-mini", None
        as_list = {"usage_limits": [usage] if usage else None, "rate_limits": [rate] if rate else None}
        as_object = {"usage_limits": usage, "rate_limits": [rate] if rate else []}
        workspace = plane.workspace(**(as_list if level == "workspace" else {}))
        if level == "grant":
            plane.grant("mock", workspace, **as_list)
        if level == "provider":
            plane.admin("POST", "/providers", {"name": "p", "slug": "p", "integration_id": "mock",
                                               "workspace_id": workspace["slug"], **as_object})
            self.model = "@p/gpt-4o-mini"
        if level == "organisation":
            plane.admin("PUT", "/admin/organisation/settings", as_list)
        if level == "policy":
            self.path = "/policies/usage-limits" if usage else "/policies/rate-limits"
            self.policy = plane.admin("POST", self.path, {
                "conditions": [{"key": "model", "value": "@openai/*"}], "group_by": [{"key": "api_key"}],
                "workspace_id": workspace["slug"], **(usage or rate)})["id"]
        self.key = plane.key(workspace=workspace, **(as_object if level == "key" else {}))

    def release(self):
        if self.level == "organisation":
            self.plane.admin("PUT", "/admin/organisation/settings",
                             {"usage_limits": None, "rate_limits": None})
        if self.policy:
            self.plane.admin("DELETE", f"{self.path}/{self.policy}")


def body_of(model, is_stream):
    fields = {"stream": True} if is_stream else {}
    return json.dumps(chat_body(model=model, max_tokens=OUTPUT, **fields), separators=(",", ":"))


def exactly_k_get_through(plane, provider, crowd, level, name, is_stream):
    provider.clear()
    provider.reset()
    model = "@p/gpt-4o-mini" if level == "provider" else "@mock/gpt-4o-mini"
    body = body_of(model, is_stream)
    worst, tokens = mini_cost(len(body), OUTPUT), len(body) + OUTPUT
    usage, rate, counter, status = limits(worst, tokens, level)[name]
    bound = Bound(plane, level, usage, rate)
    provider.script(wait="go", prompt_tokens=len(body), tokens=OUTPUT)  # as dear as it can be
    refused = plane.counter(counter)
    for c in crowd:
        c.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {bound.key}"}, body)
    plane.wait_counter(counter, refused + CLIENTS - K)
    provider.wait_stat("requests", K)
    provider.release("go")
    got = [c.read_answer("POST").status for c in crowd]
    assert (got.count(200), got.count(status)) == (K, CLIENTS - K), (level, name, is_stream)
    assert provider.stats()["requests"] == K, (level, name, is_stream)
    plane.wait_idle()
    bound.release()
    return bound.key, K * worst


@pytest.mark.parametrize("level", LEVELS)
def test_exactly_as_many_of_two_hundred_get_through_as_the_limit_pays_for(
        plane, provider, crowd, level):
    billed = []
    for name in limits(1, 1, level):
        for is_stream in (False, True):
            billed.append(exactly_k_get_through(plane, provider, crowd, level, name, is_stream))
    plane.wait_flushed()
    for key, cap in billed:
        assert plane.sql("SELECT sum(charged_nusd)::bigint FROM aigate.ledger l JOIN aigate.api_key k"
                         " ON k.id = l.api_key_id WHERE k.uuid = %s", key.id) == cap
    assert [m for m in plane.meters() if m.get("held")] == []


# -- nobody starves ------------------------------------------------------------------------------

def test_agents_that_ask_for_everything_and_use_little_all_get_through(plane, provider):
    """128k tokens asked for, 200 used, two agents under a cap below one worst case."""
    provider.script(prompt_tokens=50, tokens=200, delay_ms=5)
    cost, cap, each = mini_cost(50, 200), mini_cost(100, 16384) * 9 // 10, 20
    key = plane.key(budget_usd=usd(cap))
    fitted, answers = plane.counter("req_fitted"), []

    def agent():
        for _ in range(each):
            answers.append(plane.chat(key, max_tokens=128000))
    agents = [threading.Thread(target=agent) for _ in range(2)]
    for one in agents:
        one.start()
    for one in agents:
        one.join()
    assert [a.status for a in answers] == [200] * 2 * each
    cut = [e["max_tokens"] for e in provider.log() if e["max_tokens"] < 200]
    assert cut == [], "nothing was cut short"
    assert {a.json["choices"][0]["finish_reason"] for a in answers} == {"stop"}
    assert plane.counter("req_fitted") > fitted
    plane.wait_idle()
    m = next(m for m in plane.meters() if m["kind"] == "budget" and m["limit"] == cap)
    assert (m["settled"], m["held"]) == (2 * each * cost, 0)


# -- cut anywhere --------------------------------------------------------------------------------

STREAMS = 100
OUTCOMES = {"client": {"client_left_before", "client_left_during", "answered"},
            "upstream": {"upstream_broke_before", "upstream_broke_during", "answered"},
            "kill": {"worker_died", "answered"}}


def test_streams_cut_at_random_points_leave_nothing_held(gateway_factory, mock):
    """By the client, by the provider, by kill -9 of their worker: the rows follow the matrix, and all
    that was held is back when the last of them is over."""
    gateway = gateway_factory(mock=mock, conf={"workers": "4"})
    gateway.expect_error(r"died of signal 9|last words")
    workspace = gateway.workspace("W", usage_limits=[{"credit_limit": 1000}])
    key = gateway.key(budget_usd="500", workspace=workspace, rpm=100000)
    dice, streams = random.Random(5), []

    def open_one(n, how):
        name = f"cut-{how}-{n}"
        tell = f"mock: tokens=60 chunk_delay_ms={dice.randrange(1, 8)}"
        if how == "upstream":
            tell += f" {dice.choice(['cut', 'reset'])}_after_chunks={dice.randrange(50)}"
        stream = gateway.stream(key, user=tell, max_tokens=60, headers={
            "x-portkey-trace-id": name, "x-client-request-id": name})
        streams.append((how, stream))

    for n in range(STREAMS):
        open_one(n, ("client", "upstream", "kill")[n % 3])
        if n % 3 == 0:
            streams[-1][1].connection.sock.settimeout(5)
    for how, stream in streams:
        if how == "client":
            try:
                for _ in range(dice.randrange(20)):
                    next(stream)
            except (StopIteration, OSError, wire.WireError):
                pass
            dice.choice([stream.close, stream.reset])()
    for worker, pid in gateway.pids("worker").items():
        gateway.kill9("worker", worker)
        gateway.wait_new("worker", worker, pid)
    for how, stream in streams:
        if how != "client":
            try:
                stream.read_all()
            except (OSError, wire.WireError, AssertionError):
                pass
            stream.close()
    wait(lambda: not [m for m in gateway.meters() if m.get("held")], "all holds to be back", 5)
    crash.assert_exact(gateway, mock)
    odd = [(trace, outcome) for trace, outcome in gateway.rows(
        "SELECT trace_id, outcome FROM aigate.ledger") if outcome not in
        OUTCOMES[trace.split("-")[1]] | {"worker_died"}]
    assert odd == []
    seen = dict(gateway.rows("SELECT outcome, count(*) FROM aigate.ledger GROUP BY 1"))
    assert {"client_left_during", "upstream_broke_during", "worker_died"} <= set(seen), seen
    assert gateway.sql("SELECT count(*) FROM aigate.ledger") == STREAMS


# -- windows -------------------------------------------------------------------------------------

def most_within(times, window):
    """Of sorted moments, the most that lie in one half-open interval of that length."""
    first = most = 0
    for last, at in enumerate(times):
        while at - times[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


UNIT, WINDOW_S = ("rpm", 60) if os.environ.get("AIGATED_RATE_MINUTE") else ("rps", 1)


def test_no_window_ever_holds_more_than_its_limit(plane, provider):
    """64 connections ask without a pause across the turns of a window, until its limit was met three
    times over."""
    limit = 100
    key = plane.key(rate_limits=[{"type": "requests", "unit": UNIT, "value": limit}])
    body = json.dumps(chat_body(max_tokens=4), separators=(",", ":"))
    served, asked, is_over = [], [0], threading.Event()

    def client(n):
        with plane.connect(2 * WINDOW_S + 30) as connection:
            for i in range(10**9):
                if is_over.is_set():
                    return
                name = f"window-{n}-{i}"
                connection.request("POST", "/v1/chat/completions", {
                    "authorization": f"Bearer {key}", "x-client-request-id": name,
                    "x-portkey-trace-id": name}, body)
                status = connection.read_answer("POST").status
                asked[0] += 1
                if status == 200:
                    served.append(name)
                else:
                    assert status == 429
                    is_over.wait(0.01 * WINDOW_S)
    clients = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(64)]
    for one in clients:
        one.start()
    wait(lambda: len(served) >= 3 * limit and asked[0] >= 600, "three windows' worth", 4 * WINDOW_S + 30)
    is_over.set()
    for one in clients:
        one.join()
    plane.wait_flushed()
    received = dict(plane.rows(
        "SELECT trace_id, (extract(epoch FROM received_at) * 1000000)::bigint FROM aigate.ledger l"
        " JOIN aigate.api_key k ON k.id = l.api_key_id WHERE k.uuid = %s", key.id))
    assert len(received) == len(served)
    times = sorted(received.values())
    assert most_within(times, WINDOW_S * 10**6) == limit, "never more, and as many as promised"
    # What the provider saw lies as close together, but for how long each was on its way.
    arrived = {e["client_request_id"]: e["t_us"] for e in provider.log()}
    way = max(arrived[name] - at for name, at in received.items())
    assert set(arrived) == set(received)
    if way < WINDOW_S * 10**6:
        assert most_within(sorted(arrived.values()), WINDOW_S * 10**6 - way) <= limit
