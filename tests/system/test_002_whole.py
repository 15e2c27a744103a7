"""It starts, says so, serves one request, and leaves without a trace."""

import os
import signal

from gateway import wait


def test_a_request_is_answered_charged_and_recorded(gateway, mock):
    mock.script(prompt_tokens=1000, tokens=500)
    key = gateway.key(budget_usd="1", rpm=100)
    answer = gateway.chat(key, "hello")
    assert answer.status == 200, answer
    assert answer.usage["completion_tokens"] == 500
    gateway.wait_flushed()
    # gpt-4o-mini: 0.15 and 0.60 dollars per million tokens
    assert gateway.sql("SELECT cost_nusd FROM aigate.ledger") == 1000 * 150 + 500 * 600
    assert gateway.counter("spend_nusd") == gateway.sql("SELECT sum(charged_nusd) FROM aigate.ledger")


def test_every_role_runs_once_and_workers_as_configured(gateway):
    assert sorted(gateway.pids("worker")) == [0, 1]
    assert len(gateway.pids("control")) == len(gateway.pids("flusher")) == 1
    assert gateway.pids("master") == {0: gateway.process.pid}


def test_no_process_stays_root(gateway):
    if os.geteuid() != 0:
        return
    for role in ("worker", "control", "flusher"):
        for pid in gateway.pids(role).values():
            assert os.stat(f"/proc/{pid}").st_uid == gateway.account.pw_uid


def test_a_stream_arrives_in_pieces_and_ends_with_done(gateway):
    key = gateway.key()
    with gateway.stream(key, "hello", max_tokens=20) as stream:
        assert stream.status == 200
        events = stream.read_all()
    assert stream.is_done and len(events) > 2


def test_an_unknown_key_is_refused(gateway):
    answer = gateway.chat("ag-nobody")
    assert answer.status == 401 and "API Key" in answer.message


def test_it_stops_when_told_and_starts_again_on_the_same_segment(gateway, mock):
    key = gateway.key(budget_usd="1")
    assert gateway.chat(key).status == 200
    spent = gateway.counter("spend_nusd")
    gateway.restart()
    assert gateway.counter("spend_nusd") == spent
    assert gateway.chat(key).status == 200


def test_a_worker_that_is_killed_has_a_successor(gateway):
    gateway.expect_error("worker")
    old = gateway.kill9("worker", 0)
    gateway.wait_new("worker", 0, old)
    key = gateway.key()
    wait(lambda: gateway.chat(key).status == 200, "a request to be served")


def test_quit_lets_a_stream_end(gateway, mock):
    mock.script(match={"model": "gpt-4o-mini"}, tokens=5, wait="go")
    pending = gateway.chat_async(gateway.key())
    mock.wait_stat("requests", lambda n: n >= 1)
    gateway.process.send_signal(signal.SIGQUIT)
    gateway.wait_log("drain")
    mock.release("go")
    assert pending.answer().status == 200
    gateway.process.wait(30)
    gateway.process = None
