"""A request that only the holds of others keep out may wait for them: directive hold_wait."""

import json
from decimal import Decimal

import pytest

from gateway import chat_body, wait
from plane import _provider, connections_to_all_workers, mini_cost, plane, provider  # noqa: F401

CONF = {"workers": "4", "fit_min_tokens": "1000", "hold_wait": "2m", "hold_wait_max": "16"}
BODY = json.dumps(chat_body(max_tokens=1000), separators=(",", ":"))
WORST = mini_cost(len(BODY), 1000)
ROOM = WORST + 40 * mini_cost(20, 10)  # for one at a time, and what a few before it cost


def usd(nusd):
    return format(Decimal(nusd) / 10**9, "f")


def meter(plane, limit):
    found = [m for m in plane.meters() if m["limit"] == limit]
    assert len(found) == 1
    return found[0]


def waiting(plane):
    return plane.counter("req_waiting")


@pytest.fixture
def counters(plane):
    """What the counters rose by since the test began."""
    before = plane.counters()
    return lambda *names: [plane.counter(n) - before[n] for n in names]


def test_the_next_one_gets_through_once_a_hold_settles(plane, provider, counters):
    k = 3
    limit = k * WORST + 1
    key = plane.key(budget_usd=usd(limit))
    provider.script(times=k, wait="go", prompt_tokens=20, tokens=10)
    pending = [plane.post_async(key, BODY) for _ in range(k)]
    provider.wait_stat("requests", k)
    last = plane.post_async(key, BODY)
    wait(lambda: waiting(plane) == 1, "the one too many to wait")
    assert meter(plane, limit)["held"] == k * WORST, "it holds nothing itself"
    assert provider.stats()["requests"] == k
    provider.release("go")
    assert [p.answer().status for p in pending] == [200] * k
    assert last.answer().status == 200
    assert counters("req_waited", "req_waited_in_vain", "req_denied") == [1, 0, 0]
    assert waiting(plane) == 0
    plane.wait_flushed()
    waited = plane.rows("SELECT queue_us, overhead_us FROM ledger l JOIN api_key k ON k.id = l.api_key_id "
                        "WHERE k.uuid = %s ORDER BY queue_us", key.id)
    assert [w for w, _ in waited[:k]] == [0] * k and waited[k][0] > 0, "the ledger tells how long it waited"
    assert waited[k][1] < 1_000_000, "and that is not our overhead"


def test_a_hold_that_another_worker_settles_wakes_it_too(plane, provider, counters):
    """One connection in each worker: whoever is refused, one of the others holds what it needs."""
    connections = connections_to_all_workers(plane, 1)
    limit = ROOM + 2
    key = plane.key(budget_usd=usd(limit))
    provider.script(delay_ms=20, prompt_tokens=20, tokens=10)
    for c in connections:
        c.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, BODY)
    assert [c.read_answer("POST").status for c in connections] == [200] * 4
    assert counters("req_waited_in_vain")[0] == 0 < counters("req_waited")[0]
    assert provider.stats()["max_inflight"] == 1, "the budget has room for one at a time"
    for c in connections:
        c.close()


def test_what_was_held_may_be_spent(plane, provider, counters):
    """Then waiting longer helps nobody."""
    limit = WORST + 20
    key = plane.key(budget_usd=usd(limit))
    provider.script(times=1, wait="go", prompt_tokens=40, tokens=900)
    first = plane.post_async(key, BODY)
    provider.wait_stat("requests", 1)
    pending = [plane.post_async(key, BODY) for _ in range(3)]
    wait(lambda: waiting(plane) == 3, "them to wait")
    provider.release("go")
    assert first.answer().status == 200
    assert [p.answer().status for p in pending] == [412] * 3
    assert counters("req_waited_in_vain") == [3]


def test_what_has_been_spent_is_not_waited_for(plane, provider, counters):
    key = plane.key(budget_usd=usd(WORST - 1))
    assert plane.post(key, BODY).status == 412, "it would never fit"
    rated = plane.key(rpm=1)
    assert [plane.post(rated, BODY).status for _ in range(2)] == [200, 429], "windows are waited for by nobody"
    assert counters("req_waited")[0] == 0


def test_places_at_a_time_are_waited_for(plane, provider, counters):
    key = plane.key(rate_limits=[{"type": "requests", "unit": "concurrent", "value": 2}])
    provider.script(prompt_tokens=20, tokens=10, delay_ms=5)
    got = [plane.post_async(key, BODY) for _ in range(12)]
    assert [p.answer().status for p in got] == [200] * 12
    assert counters("req_denied_concurrency", "req_waited_in_vain") == [0, 0]
    assert counters("req_waited")[0] > 0


def test_a_client_that_leaves_leaves_nothing(plane, provider, counters):
    limit = ROOM + 3
    key = plane.key(budget_usd=usd(limit))
    provider.script(times=1, wait="go", prompt_tokens=20, tokens=10)
    first = plane.post_async(key, BODY)
    provider.wait_stat("requests", 1)
    gone = plane.connect()
    gone.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, BODY)
    wait(lambda: waiting(plane) == 1, "it to wait")
    gone.close()
    wait(lambda: waiting(plane) == 0, "it to be forgotten")
    provider.release("go")
    assert first.answer().status == 200
    plane.wait_idle()
    m = meter(plane, limit)
    assert (m["held"], m["settled"]) == (0, mini_cost(20, 10))
    assert provider.stats()["requests"] == 1, "nobody asked for him"
    assert plane.post(key, BODY).status == 200


def test_who_came_first_is_served_first(plane, provider, counters):
    """In one worker, whose connections they all are; each answer makes room for one."""
    connections = connections_to_all_workers(plane, 6)[:6]
    bodies = [json.dumps(chat_body(max_tokens=1000, user=f"mock: tokens={10 + i}"), separators=(",", ":"))
              for i in range(6)]
    key = plane.key(budget_usd=usd(mini_cost(len(bodies[0]), 1000) + 40 * mini_cost(20, 15)))
    provider.script(times=1, wait="go", prompt_tokens=20)
    provider.script(prompt_tokens=20)
    for i, (c, body) in enumerate(zip(connections, bodies)):
        c.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}"}, body)
        if i == 0:
            provider.wait_stat("requests", 1)
        else:
            wait(lambda: waiting(plane) == i, "it to wait")  # pylint: disable=cell-var-from-loop
    provider.release("go")
    assert [c.read_answer("POST").status for c in connections] == [200] * 6
    assert [one["completion_tokens"] for one in provider.log()] == [10, 11, 12, 13, 14, 15]
    for c in connections:
        c.close()


def test_a_small_one_does_not_pass_a_large_one_that_waits(plane, provider, counters):
    """In one worker: else the large one might wait for ever."""
    first, large, small = connections_to_all_workers(plane, 3)[:3]
    key = plane.key(budget_usd=usd(WORST * 3 // 2))
    auth = {"authorization": f"Bearer {key}"}
    provider.script(times=1, wait="go", prompt_tokens=20, tokens=10)
    provider.script(prompt_tokens=20, tokens=10)
    first.request("POST", "/v1/chat/completions", auth, BODY)
    provider.wait_stat("requests", 1)
    large.request("POST", "/v1/chat/completions", auth, BODY)
    wait(lambda: waiting(plane) == 1, "the large one to wait")
    small.request("POST", "/v1/chat/completions", auth, chat_body(max_tokens=10))
    wait(lambda: waiting(plane) == 2 or provider.stats()["requests"] > 1, "the small one to wait behind it")
    assert provider.stats()["requests"] == 1
    provider.release("go")
    assert [c.read_answer("POST").status for c in (first, large, small)] == [200] * 3
    for c in (first, large, small):
        c.close()


def test_a_key_that_goes_meanwhile_does_not_get_through(plane, provider, counters):
    limit = ROOM + 5
    space = plane.workspace(usage_limits=[{"type": "cost", "credit_limit": float(usd(limit))}])
    key, other = plane.key(workspace=space), plane.key(workspace=space)
    provider.script(times=1, wait="go", prompt_tokens=20, tokens=10)
    first = plane.post_async(other, BODY)
    provider.wait_stat("requests", 1)
    pending = plane.post_async(key, BODY)
    wait(lambda: waiting(plane) == 1, "it to wait")
    plane.admin("DELETE", f"/api-keys/{key.id}")
    provider.release("go")
    assert first.answer().status == 200
    assert pending.answer().status == 401
    assert provider.stats()["requests"] == 1


def test_who_comes_later_does_not_pass_who_waits_in_another_worker(plane, provider, counters):
    """One request a worker, one after the other: they are answered in that order."""
    key = plane.key(budget_usd=usd(ROOM))
    provider.script(times=1, wait="first", prompt_tokens=20, tokens=10)
    for n in range(3):
        provider.script(times=1, wait=f"turn {n}", prompt_tokens=20, tokens=10)
    holding = plane.post_async(key, BODY)
    provider.wait_stat("requests", 1)
    connections = connections_to_all_workers(plane, 1)[:3]
    for n, one in enumerate(connections):
        body = json.dumps({**json.loads(BODY), "user": f"u{n}"})
        one.request("POST", "/v1/chat/completions", {"authorization": f"Bearer {key}", "content-type": "application/json"},
                    body)
        wait(lambda n=n: waiting(plane) == n + 1, "it to wait")
    provider.release("first")
    assert holding.answer().status == 200
    for n, one in enumerate(connections):
        provider.wait_stat("requests", n + 2)
        assert json.loads(provider.last()["body"])["user"] == f"u{n}"
        provider.release(f"turn {n}")
        assert one.read_answer("POST").status == 200
    assert counters("req_waited", "req_waited_in_vain") == [3, 0]


def test_nobody_waits_for_a_worker_that_died(gateway_factory, mock_factory):
    own = mock_factory()
    gateway = gateway_factory(mock=own, conf={**CONF, "workers": "3"})
    gateway.expect_error(r"died of signal 9|last words")
    key = gateway.key(budget_usd=usd(ROOM))
    own.script(times=1, wait="first", prompt_tokens=20, tokens=10)
    own.script(prompt_tokens=20, tokens=10)
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    workers, connections = gateway.pids("worker"), connections_to_all_workers(gateway, 1)
    for one in connections[:2]:
        one.request("POST", "/v1/chat/completions", headers, BODY)
        wait(lambda: own.stats()["requests"] == 1, "the first to be with the provider")
    wait(lambda: waiting(gateway) == 1, "the second to wait")
    victim = list(workers)[1]
    gateway.kill9("worker", victim)
    gateway.wait_new("worker", victim, workers[victim])
    connections[2].request("POST", "/v1/chat/completions", headers, BODY)
    own.release("first")
    assert connections[0].read_answer("POST").status == 200
    assert connections[2].read_answer("POST").status == 200


@pytest.mark.parametrize("path, body", [
    ("/v1/messages", {"max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}]}),
    ("/v1beta/models/gpt-4o-mini:generateContent", {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 1000}})])
def test_other_protocols_wait_too(plane, provider, counters, path, body):
    key = plane.key(budget_usd=usd(2 * WORST - 1000))
    provider.script(times=1, wait="go", prompt_tokens=20, tokens=10)
    provider.script(prompt_tokens=20, tokens=10)
    first = plane.post_async(key, BODY)
    provider.wait_stat("requests", 1)
    model = {} if "generate" in path else {"model": "@mock/gpt-4o-mini"}
    pending = plane.post_async(key, {**model, **body}, path=path, headers={"x-portkey-provider": "@mock"})
    wait(lambda: waiting(plane) == 1, "it to wait")
    provider.release("go")
    assert first.answer().status == 200
    answer = pending.answer()
    assert answer.status == 200, answer
    assert counters("req_waited", "req_waited_in_vain") == [1, 0]
    assert len(json.loads(provider.last()["body"])["messages"]) == 1, "what was asked"


def test_a_raised_limit_lets_it_through_at_once(plane, provider, counters):
    key = plane.key(budget_usd=usd(ROOM + 6))
    provider.script(times=1, wait="go", prompt_tokens=20, tokens=10)
    first = plane.post_async(key, BODY)
    provider.wait_stat("requests", 1)
    pending = plane.post_async(key, BODY)
    wait(lambda: waiting(plane) == 1, "it to wait")
    plane.admin("PUT", f"/api-keys/{key.id}", {"usage_limits": {
        "type": "cost", "credit_limit": float(usd(3 * WORST))}})
    assert pending.answer().status == 200
    provider.release("go")
    assert first.answer().status == 200


def test_no_more_wait_than_there_may(plane, provider, counters):
    limit = ROOM + 7
    key = plane.key(budget_usd=usd(limit))
    provider.script(times=1, wait="go", prompt_tokens=20, tokens=10)
    first = plane.post_async(key, BODY)
    provider.wait_stat("requests", 1)
    pending = [plane.post_async(key, BODY) for _ in range(4 * 16 + 8)]
    wait(lambda: waiting(plane) + counters("req_denied_budget")[0] == len(pending), "all to wait or be refused")
    assert waiting(plane) <= 4 * 16 and counters("req_denied_budget")[0] >= 8
    provider.clear()
    provider.script(prompt_tokens=20, tokens=10)
    provider.release("go")
    assert first.answer().status == 200
    got = [p.answer().status for p in pending]
    assert got.count(412) == counters("req_denied_budget")[0] and got.count(200) + got.count(412) == len(pending)
    plane.wait_idle()
    assert meter(plane, limit)["held"] == 0 and waiting(plane) == 0


def test_it_is_refused_when_the_time_is_over(gateway_factory, mock):
    gateway = gateway_factory(mock=mock, conf={**CONF, "hold_wait": "300ms"})
    limit = ROOM + 8
    key = gateway.key(budget_usd=usd(limit))
    mock.script(times=1, wait="go", prompt_tokens=20, tokens=10)
    first = gateway.post_async(key, BODY)
    mock.wait_stat("requests", 1)
    answer = gateway.post(key, BODY)
    assert answer.status == 412 and answer.json["error"]["held"] > 0, "with the figures as they are"
    assert gateway.counter("req_waited_in_vain") == 1 and gateway.counter("req_waiting") == 0
    assert meter(gateway, limit)["held"] == WORST
    mock.release("go")
    assert first.answer().status == 200
    assert mock.stats()["requests"] == 1


def test_nobody_waits_by_default(gateway_factory, mock):
    gateway = gateway_factory(mock=mock, conf={"fit_min_tokens": "1000"})
    key = gateway.key(budget_usd=usd(WORST + 9))
    mock.script(times=1, wait="go", prompt_tokens=20, tokens=10)
    first = gateway.post_async(key, BODY)
    mock.wait_stat("requests", 1)
    assert gateway.post(key, BODY).status == 412
    assert gateway.counter("req_waited") == 0
    mock.release("go")
    assert first.answer().status == 200


def test_those_who_wait_leave_with_a_gateway_that_stops(gateway_factory, mock):
    # One worker: of several, one that lives a moment longer may serve what another's end made room for.
    gateway = gateway_factory(mock=mock, conf={**CONF, "workers": "1", "shutdown_timeout": "1s"})
    limit = ROOM + 10
    key = gateway.key(budget_usd=usd(limit))
    mock.script(times=1, wait="go", prompt_tokens=20, tokens=10)
    first = gateway.post_async(key, BODY)
    mock.wait_stat("requests", 1)
    pending = [gateway.post_async(key, BODY) for _ in range(5)]
    wait(lambda: gateway.counter("req_waiting") == 5, "them to wait")
    gateway.stop()
    for p in [first, *pending]:
        with pytest.raises(Exception):
            assert p.answer().status == 200
    mock.release()
    gateway.start()
    assert meter(gateway, limit)["held"] == 0 and gateway.slots() == []
