"""/readyz: ok, degraded and by what, starting, draining; 503 only where requests are not served."""

import os
import re
import signal

import pytest

from access import logged
from gateway import wait


def readiness(gateway):
    """(status, [reasons])"""
    answer = gateway.get("/readyz")
    told = answer.json
    assert set(told) <= {"status", "degraded"} and (told["status"] == "degraded") == ("degraded" in told)
    return answer.status, told.get("degraded", [told["status"]])


def wait_for(gateway, status, *patterns):
    """Until exactly these reasons are told, in this order."""
    def is_so():
        told, reasons = readiness(gateway)
        return told == status and len(reasons) == len(patterns) and all(
            re.fullmatch(p, r) for p, r in zip(patterns, reasons))
    wait(is_so, f"{status} {patterns}, it is {readiness(gateway)}", 40)


def test_all_is_well(gateway):
    wait_for(gateway, 200, "ok")


def test_postgresql_away(gateway, pg):
    key = gateway.key()
    pg.stop()
    wait_for(gateway, 200, r"postgresql away since 20\d\d-.*Z: records wait in the journal")
    assert gateway.chat(key).status == 200
    pg.start()
    wait_for(gateway, 200, "ok")


def test_control_away(gateway, pg):
    """Without PostgreSQL a new one cannot serve."""
    gateway.expect_error("control")
    pg.stop()
    old = gateway.kill9("control")
    gateway.wait_new("control", 0, old)
    wait_for(gateway, 200, "postgresql away .*", "control away: nothing can be administered")
    pg.start()
    wait_for(gateway, 200, "ok")


def connections(gateway, ix):
    return next(p["connections"] for p in gateway.stat()["processes"]
                if (p["role"], p["index"]) == ("worker", ix))


def connected_to(gateway, ix):
    """A connection that this worker has accepted."""
    others = []
    try:
        while True:
            before = connections(gateway, ix)
            connection = gateway.connect()
            connection.request("GET", "/healthz")
            connection.read_answer()
            if connections(gateway, ix) > before:
                return connection
            others.append(connection)
    finally:
        for one in others:
            one.close()


def test_processes_that_give_no_sign_of_life(gateway_factory, mock):
    """All but one worker: that one tells of the others."""
    gateway, _ = logged(gateway_factory)
    wait_for(gateway, 200, "ok")
    stopped = [gateway.pids("flusher")[0], gateway.pids("telemetry")[0], gateway.pids("worker")[1]]
    with connected_to(gateway, 0) as connection:
        def reasons():
            connection.request("GET", "/readyz")
            return connection.read_answer().json.get("degraded", [])
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait(lambda: len(reasons()) == 3, "three reasons", 40)
            assert reasons() == ["flusher away: records wait in the rings",
                                 "telemetry away: access log and spans wait, then are dropped",
                                 "1 of 2 workers serve"]
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
    wait_for(gateway, 200, "ok")


@pytest.mark.parametrize("full_ring, status, what", [
    ("refuse", 503, "journal full: new requests are refused"),
    ("serve", 200, "journal full: requests are served unrecorded")])
def test_a_full_journal(gateway_factory, mock, pg, full_ring, status, what):
    gateway = gateway_factory(mock=mock, conf={
        "journal_max": "1m", "ring_size": "64k", "workers": "1", "full_ring": full_ring})
    gateway.expect_error("rings and journal are full|could not write the journal")
    key = gateway.key(budget_usd="1000")
    pg.stop()
    with gateway.connect() as connection:
        def is_full():
            for _ in range(50):
                connection.request("POST", "/v1/embeddings", {"authorization": f"Bearer {key}"},
                                   {"model": "@mock/text-embedding-3-small", "input": "x"})
                connection.read_answer()
            return gateway.stat()["segment"]["intake_closed"] == 1
        wait(is_full, "rings and journal to be full", 60)
    wait_for(gateway, status, what, "postgresql away .*")
    assert gateway.chat(key).status == (503 if full_ring == "refuse" else 200)
    pg.start()
    wait_for(gateway, 200, "ok")


def test_before_limits_are_loaded_it_starts(gateway_factory, pg):
    gateway = gateway_factory(start=False)
    gateway.start()
    gateway.stop()
    gateway.unlink_segment()
    pg.stop()
    gateway.start(wait_ready=False)
    wait(lambda: gateway.pids("worker") and gateway.ports(), "workers")

    def is_starting():
        try:
            return readiness(gateway) == (503, ["starting"])
        except OSError:
            return False
    wait(is_starting, "it to say that it starts")
    pg.start()
    wait_for(gateway, 200, "ok")


def test_who_asks_while_it_drains_is_told(gateway):
    with gateway.connect() as connection:
        connection.send(b"GET /readyz HTTP/1.1\r\nhost: x\r\n")
        wait(lambda: gateway.counter("bytes_client_in") > 0 and
             any(p["connections"] for p in gateway.stat()["processes"]), "the connection to be there")
        gateway.process.send_signal(signal.SIGTERM)
        gateway.wait_log("worker.*draining")
        wait(lambda: gateway.log.count("draining: ") >= 3, "all to drain")
        connection.send(b"\r\n")
        answer = connection.read_answer()
        assert (answer.status, answer.json) == (503, {"status": "draining"})
    assert gateway.process.wait(20) == 0
    gateway.process = None
