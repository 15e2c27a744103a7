"""kill -9 of anything at any instruction: no cent lost, none twice, no hold left behind."""

import os
import random
import time

import pytest

import crash
from gateway import wait

REQUESTS = int(os.environ.get("AIGATED_CRASH_REQUESTS", "10000"))


@pytest.fixture
def busy(gateway_factory, mock):
    """Four workers, three keys, budgets on every level."""
    gateway = gateway_factory(mock=mock, conf={"workers": "4", "shutdown_timeout": "5s"})
    gateway.expect_error(r"died of signal 9|last words|could not|connection")
    workspace = gateway.workspace("busy", usage_limits=[{"type": "cost", "credit_limit": 1000}])
    gateway.grant(gateway.integration(), workspace, usage_limits=[{"type": "cost", "credit_limit": 900}])
    keys = [gateway.key(budget_usd=500, workspace=workspace, rpm=10000000) for _ in range(3)]
    return gateway, keys


def test_anything_may_die_under_load(busy, mock, pg):
    """Workers, flusher, control and PostgreSQL are killed at random while requests run."""
    gateway, keys = busy
    dice = random.Random(7)
    load = crash.Load(gateway, keys, REQUESTS).start()
    killed = {"worker": 0, "flusher": 0, "control": 0, "postgresql": 0}
    while load.is_running():
        victim = dice.choices(["worker", "flusher", "control", "postgresql"], [6, 3, 1, 1])[0]
        if victim == "postgresql":
            pg.kill9()
            pg.start()
        else:
            gateway.kill9(victim, dice.randrange(4) if victim == "worker" else 0)
        killed[victim] += 1
        time.sleep(dice.uniform(0.05, 0.4))
    load.join()
    assert load.asked >= REQUESTS
    assert load.statuses.get(200, 0) > REQUESTS / 2, load.statuses
    assert killed["worker"] > 3 and killed["flusher"] > 0, killed
    crash.assert_exact(gateway, mock)


def test_everything_dies_at_once(busy, mock):
    """kill -9 of master and children together, twice, then a new start on what they left."""
    gateway, keys = busy
    for round_ in range(2):
        load = crash.Load(gateway, keys, 600, seed=round_).start()
        wait(lambda load=load: load.asked > 300, "the load to be under way")
        gateway.kill_all()
        load.stopping.set()
        load.join()
        gateway.start()
    crash.assert_exact(gateway, mock)


def test_postgresql_away_is_nobodys_business(busy, mock, pg):
    """P4: stopped under load for a while; no request is refused, rows are complete afterwards."""
    gateway, keys = busy
    seconds = float(os.environ.get("AIGATED_PG_AWAY_SECONDS", "10"))
    load = crash.Load(gateway, keys, 10**9, threads=4).start()
    wait(lambda: load.asked > 50, "the load to be under way")
    pg.stop()
    back_at = time.monotonic() + seconds
    wait(lambda: time.monotonic() > back_at, "PostgreSQL to have been away", seconds + 10)
    assert "degraded" in gateway.get("/readyz").text
    pg.start()
    load.stopping.set()
    load.join()
    assert set(load.statuses) == {200}, load.statuses
    crash.assert_exact(gateway, mock)
    wait(lambda: gateway.get("/readyz").json == {"status": "ok"}, "readiness to say ok again")
