"""kill -9 at chosen places: which side of the line a request stands on decides what it costs."""

import os
import signal
import socket

import pytest

import crash
from gateway import chat_body, wait

CONF = {"workers": "1", "shutdown_timeout": "5s"}


@pytest.fixture
def alone(gateway_factory, mock):
    """One worker, one key with a budget of ten dollars."""
    gateway = gateway_factory(mock=mock, conf=CONF)
    gateway.expect_error(r"died of signal 9|last words|could not|connection|waiting for")
    return gateway, gateway.key(budget_usd=10)


def body(name, **fields):
    return chat_body("x" * 100, max_tokens=50, user=f"mock: {name}", **fields)


def named(name):
    return {"x-portkey-trace-id": name, "x-client-request-id": name}


def rows(gateway, name):
    return gateway.rows("select outcome, charged_nusd, held_nusd, is_final, usage_source from aigate.ledger"
                        " where trace_id = %s", name)


def the_budget(gateway):
    found = [m for m in gateway.meters() if m["kind"] == "budget"]
    assert len(found) == 1
    return found[0]


# -- one request, one death ------------------------------------------------------------------------

def test_killed_while_the_connection_is_being_opened(gateway_factory, mock):
    """Holds stand, nothing was sent: all comes back, nothing is charged, no row."""
    deaf = socket.socket()
    deaf.bind(("127.0.0.1", 0))
    deaf.listen(0)
    fillers = []
    # A full backlog: further connections hang in SYN, as to a host that drops them.
    for _ in range(8):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(deaf.getsockname())
        fillers.append(one)
    gateway = gateway_factory(mock=mock, conf=CONF)
    gateway.expect_error(r"died of signal 9|last words")
    workspace = gateway.workspace()
    slug = gateway.integration(slug="deaf", mock=f"http://127.0.0.1:{deaf.getsockname()[1]}/v1")
    gateway.grant(slug, workspace)
    key = gateway.key(budget_usd=10, workspace=workspace)
    pending = gateway.post_async(key, body("", model="@deaf/gpt-4o-mini"), headers=named("opening"))
    slot = wait(gateway.slots, "the holds to be taken")[0]
    assert slot["state"] == "held", slot
    assert the_budget(gateway)["held"] > 0
    gateway.wait_new("worker", 0, gateway.kill9("worker"))
    wait(lambda: the_budget(gateway)["used"] == 0, "the hold to come back")
    with pytest.raises(Exception):
        pending.answer()
    gateway.wait_flushed()
    assert rows(gateway, "opening") == []
    assert gateway.chat(key, headers=named("after"), max_tokens=5).status == 200
    crash.assert_exact(gateway, mock)
    for one in [deaf, *fillers]:
        one.close()


def test_killed_before_the_first_byte_of_the_answer(alone, mock):
    """Sent: charged the hold, one row."""
    gateway, key = alone
    pending = gateway.post_async(key, body("wait=never"), headers=named("sent"))
    mock.wait_stat("requests", 1)
    held = the_budget(gateway)["held"]
    gateway.wait_new("worker", 0, gateway.kill9("worker"))
    with pytest.raises(Exception):
        pending.answer()
    mock.release()
    wait(lambda: the_budget(gateway)["settled"] == held, "the hold to be charged")
    gateway.wait_flushed()
    assert rows(gateway, "sent") == [("worker_died", held, held, True, "unknown")]
    crash.assert_exact(gateway, mock)


def test_killed_in_the_middle_of_a_stream(alone, mock):
    gateway, key = alone
    stream = gateway.stream(key, headers=named("streaming"), max_tokens=50,
                            user="mock: tokens=20 stall_after_chunks=5")
    for _ in range(4):
        stream.next_event()
    held = the_budget(gateway)["held"]
    gateway.wait_new("worker", 0, gateway.kill9("worker"))
    mock.release()
    wait(lambda: the_budget(gateway)["settled"] == held, "the hold to be charged")
    gateway.wait_flushed()
    assert rows(gateway, "streaming") == [("worker_died", held, held, True, "unknown")]
    crash.assert_exact(gateway, mock)
    stream.close()


@pytest.mark.parametrize("also", ["worker", "worker and flusher", "all"])
def test_killed_after_the_answer_and_before_the_flusher_ran(alone, mock, also):
    """The record is in the ring alone, the flusher stands still: whoever dies, it is stored once."""
    gateway, key = alone
    flusher = gateway.pids("flusher")[0]
    os.kill(flusher, signal.SIGSTOP)
    try:
        for i in range(5):
            answer = gateway.post(key, body(f"tokens={10 + i}"), headers=named(f"answered-{i}"))
            assert answer.status == 200
        spent = the_budget(gateway)
        assert spent["held"] == 0 and spent["used"] > 0
        if also == "all":
            gateway.kill_all()
            gateway.start()
        else:
            gateway.wait_new("worker", 0, gateway.kill9("worker"))
            if also != "worker":
                gateway.wait_new("flusher", 0, gateway.kill9("flusher"))
    finally:
        if also == "worker":
            os.kill(flusher, signal.SIGCONT)
    gateway.wait_flushed()
    for i in range(5):
        assert len(rows(gateway, f"answered-{i}")) == 1
    assert the_budget(gateway)["used"] == spent["used"]
    crash.assert_exact(gateway, mock)


# -- the master ----------------------------------------------------------------------------------

def test_a_new_master_waits_for_the_children_of_a_dead_one(gateway_factory, mock):
    """Killed under load; the old children drain, the new ones take over: one producer a ring at any time."""
    gateway = gateway_factory(mock=mock, conf={"workers": "3", "shutdown_timeout": "5s"})
    gateway.expect_error(r"died of signal 9|last words|could not|connection|waiting for|master is gone")
    keys = [gateway.key(budget_usd=500) for _ in range(2)]
    for round_ in range(2):
        load = crash.Load(gateway, keys, 10**9, threads=8, seed=round_).start()
        wait(lambda load=load: load.asked > 200, "the load to be under way")
        old = set(gateway.pids("worker").values())
        gateway.kill9("master")
        gateway.start()
        assert not old & set(gateway.pids("worker").values())
        asked = load.asked
        wait(lambda load=load, asked=asked: load.asked > asked + 100, "requests to be answered again")
        load.stopping.set()
        load.join()
        assert load.statuses.get(200, 0) > 100, load.statuses
        crash.assert_exact(gateway, mock)


def test_an_old_stream_ends_before_the_new_master_serves(gateway_factory, mock):
    gateway = gateway_factory(mock=mock, conf={"workers": "1", "shutdown_timeout": "20s"})
    gateway.expect_error(r"master is gone|waiting for")
    key = gateway.key(budget_usd=10)
    stream = gateway.stream(key, headers=named("long"), max_tokens=50,
                            user="mock: tokens=20 stall_after_chunks=5")
    stream.next_event()
    old = gateway.pids("worker")[0]
    gateway.kill9("master")
    gateway.start(wait_ready=False)
    gateway.wait_log(r"waiting for \d+ process")
    assert gateway.pids("worker") == {}, "of the new master: no second producer for the ring"
    assert gateway.slots()[0]["state"] == "sent", "while the old one has a request"
    mock.release()
    stream.read_all()
    stream.close()
    gateway.wait_ready()
    assert gateway.pids("worker")[0] != old
    gateway.wait_flushed()
    assert [r[0] for r in rows(gateway, "long")] == ["answered"]
    crash.assert_exact(gateway, mock)


# -- a machine that lost its memory ----------------------------------------------------------------

def test_a_lost_segment_is_rebuilt_from_ledger_and_journal_before_anybody_is_served(gateway_factory, mock, pg):
    """PostgreSQL behind the journal, shared memory gone: used == sum of the charges, then the first request."""
    gateway = gateway_factory(mock=mock, conf={"workers": "2"})
    gateway.expect_error(r"could not|connection|not reachable")
    keys = [gateway.key(budget_usd=0.5, period="monthly"), gateway.key(budget_tokens=100000)]
    for i, key in enumerate(keys):
        assert gateway.chat(key, headers=named(f"stored-{i}"), max_tokens=10).status == 200
    gateway.wait_flushed()
    stored = gateway.sql("select count(*) from aigate.ledger")
    pg.stop()
    for i in range(40):
        assert gateway.post(keys[i % 2], body("tokens=9"), headers=named(f"journal-{i}")).status == 200
    wait(lambda: gateway.counter("journal_records") >= 40, "the journal to hold them")
    spent = {m["id"]: m["used"] for m in gateway.meters() if m["kind"] == "budget"}
    gateway.kill_all()
    gateway.unlink_segment()
    gateway.start(wait_ready=False)
    gateway.wait_log(r"segment .* created")
    wait(gateway.ports, "the listeners")
    for key in keys:
        answer = wait(lambda key=key: try_chat(gateway, key), "an answer")
        assert answer.status == 503, "nobody is let in before the meters stand"
    pg.start()
    first = wait(lambda: served(gateway, keys[0]), "the first request to be served", 60)
    assert first.status == 200
    gateway.wait_flushed()
    assert gateway.sql("select count(*) from aigate.ledger") == stored + 41
    now = {m["id"]: m["used"] for m in gateway.meters() if m["kind"] == "budget"}
    by_ledger = crash.charged(gateway)
    assert now == {i: by_ledger[int(i)] for i in now}
    more = {i for i in now if now[i] != spent[i]}
    assert len(more) == 1, "but for the first request all is as it was"
    crash.assert_exact(gateway, mock)


def try_chat(gateway, key):
    try:
        return gateway.chat(key, headers=named("first"), max_tokens=10)
    except OSError:
        return None


def served(gateway, key):
    answer = try_chat(gateway, key)
    return answer if answer and answer.status != 503 else None


# -- control ---------------------------------------------------------------------------------------

def test_what_was_committed_and_not_published_binds_after_control_died(alone, mock):
    """As left by a control killed between COMMIT and the segment: a lower limit, a deleted key."""
    gateway, key = alone
    other = gateway.key(budget_usd=7)
    assert gateway.chat(other, headers=named("before"), max_tokens=5).status == 200
    gateway.sql("update aigate.meter set limit_amount = 1 where limit_amount = 10000000000")
    gateway.sql("update aigate.api_key set status = 'deleted' where uuid = %s", other.id)
    gateway.wait_new("control", 0, gateway.kill9("control"))
    wait(lambda: any(m["limit"] == 1 for m in gateway.meters()), "the new limit to be in force")
    assert gateway.chat(key, headers=named("poor"), max_tokens=50).status == 412
    wait(lambda: gateway.chat(other, headers=named("gone"), max_tokens=5).status == 401, "the key to be gone")
    crash.assert_exact(gateway, mock)


def test_a_key_deleted_in_flight_is_charged_on_every_level_that_stays(gateway_factory, mock):
    gateway = gateway_factory(mock=mock, conf=CONF)
    space = gateway.workspace(usage_limits=[{"type": "cost", "credit_limit": 3}])
    key = gateway.key(budget_usd=2, workspace=space)
    pending = gateway.post_async(key, body("wait=go tokens=30"), headers=named("orphan"))
    mock.wait_stat("requests", 1)
    gateway.admin("DELETE", f"/api-keys/{key.id}")
    assert gateway.chat(key, headers=named("late"), max_tokens=5).status == 401
    mock.release("go")
    assert pending.answer().status == 200
    gateway.wait_flushed()
    [(outcome, charged, _, _, _)] = rows(gateway, "orphan")
    assert outcome == "answered" and charged > 0
    left = [m for m in gateway.meters() if m["kind"] == "budget"]
    assert [(m["limit"], m["used"], m["held"]) for m in left] == [(3_000_000_000, charged, 0)]
    crash.assert_exact(gateway, mock)


def test_a_frozen_postgresql_does_not_make_control_look_dead(alone, pg):
    """Loading waits longer than the master's patience for a silent child, so it has to be seen alive."""
    gateway, key = alone
    gateway.expect_error(r"could not load|PostgreSQL")

    def beat():
        return next(p["heartbeat_us"] for p in gateway.stat()["processes"] if p["role"] == "control")
    pg.freeze()
    gateway.reload()
    gateway.wait_log(r"loading everything anew")
    seen = {beat()}

    def is_beating():
        seen.add(beat())
        return len(seen) > 4
    wait(is_beating, "the heartbeat to go on")
    assert gateway.chat(key, headers=named("meanwhile"), max_tokens=5).status == 200
    pg.thaw()
