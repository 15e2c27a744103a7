"""One gateway and one provider for all tests of a file: most tests of the data plane leave nothing
behind but counters.  A file may set CONF (directives).  `provider` starts each test without rules."""

import os
import signal

import pytest

import gateway as gw
from mock import Mock


@pytest.fixture(scope="module")
def _provider():
    one = Mock.start()
    yield one
    one.stop()


@pytest.fixture
def provider(_provider):
    """The simulator, without rules and with counters at zero."""
    _provider.clear()
    _provider.release()
    _provider.reset()
    return _provider


@pytest.fixture(scope="module")
def plane(request, pg_cluster, _provider):
    """A gateway that leads to the provider."""
    failed_before = request.session.testsfailed
    one = gw.Gateway(pg_cluster, mock=_provider, conf=getattr(request.module, "CONF", {}))
    yield one
    one.close(request.session.testsfailed > failed_before)


def meter_of(plane, kind, unit, level, limit):
    """The meter, as aigatestat shows it; limits tell the meters of one level apart."""
    found = [m for m in plane.meters() if (m["kind"], m["unit"], m["level"], m["limit"])
             == (kind, unit, level, limit)]
    assert len(found) == 1, f"{len(found)} meters of {kind} {unit} {level} {limit}"
    return found[0]


# Prices of gpt-4o-mini in nano-USD a thousand tokens, from data/prices.tsv.
MINI_IN, MINI_CACHED, MINI_OUT = 150_000, 75_000, 600_000


def mini_cost(fresh, out, cached=0):
    """Nano-USD, rounded up once."""
    return -(-(fresh * MINI_IN + cached * MINI_CACHED + out * MINI_OUT) // 1000)


def connections_to_all_workers(plane, n_each):
    """Open connections, n_each a worker.  The kernel wakes whom it likes, so all workers but one stand
    still while the one accepts."""
    workers, connections = plane.pids("worker"), []
    for pid in workers.values():
        others = [p for p in workers.values() if p != pid]
        for other in others:
            os.kill(other, signal.SIGSTOP)
        try:
            for _ in range(n_each):
                one = plane.connect()
                one.request("GET", "/healthz")
                assert one.read_answer().status == 200
                connections.append(one)
        finally:
            for other in others:
                os.kill(other, signal.SIGCONT)
    return connections
