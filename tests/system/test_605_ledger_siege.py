"""The ledger besieged, and counted afterwards: each attempt the provider saw is one row, no more, no less.

Short by default.  AIGATED_SIEGE_KILLS=100 kills flusher and PostgreSQL a hundred times between them;
AIGATED_AWAY_SECONDS=600 keeps PostgreSQL away for ten minutes.
"""

import os
import random
import time

import pytest

import crash
from gateway import wait

KILLS = int(os.environ.get("AIGATED_SIEGE_KILLS", "8"))
AWAY_SECONDS = float(os.environ.get("AIGATED_AWAY_SECONDS", "5"))
LOG_MAX = 60000  # requests the simulator's log still holds, with a margin


@pytest.fixture
def besieged(gateway_factory, mock):
    """Two workers, three keys, budgets on every level, and a load that leaves the machine room."""
    gateway = gateway_factory(mock=mock, conf={"workers": "2"})
    gateway.expect_error(r"died of signal 9|last words|could not|connection")
    workspace = gateway.workspace("besieged", usage_limits=[{"type": "cost", "credit_limit": 1000}],
                                  settings={"body_log": "on"})
    gateway.grant(gateway.integration(), workspace, usage_limits=[{"type": "cost", "credit_limit": 900}])
    keys = [gateway.key(budget_usd=500, workspace=workspace) for _ in range(3)]
    return gateway, keys


def count(gateway, mock, load):
    """Rows against the simulator's own count, name by name; positions against rows.  The figures."""
    crash.assert_exact(gateway, mock, patience=300)
    asked = mock.log()
    assert len(asked) == mock.stats()["requests"], "the simulator's log holds all of it"
    seen = {}
    for entry in asked:
        seen[entry["client_request_id"]] = seen.get(entry["client_request_id"], 0) + 1
    rows = dict(gateway.rows("select trace_id, count(*) from aigate.ledger group by 1"))
    assert rows == seen, "attempts of each request: rows, and what the provider saw"
    streams = gateway.rows("""select p.boot_id::text, p.worker, p.seq, count(*), max(l.seq), count(distinct l.seq)
        from aigate.ledger_position p join aigate.ledger l using (boot_id, worker) group by 1, 2, 3""")
    assert all(seq == n == last == distinct for _, _, seq, n, last, distinct in streams), streams
    assert sum(n for _, _, _, n, _, _ in streams) == len(asked)
    assert gateway.sql("select count(*) from aigate.ledger_quarantine") == 0
    hours = gateway.sql("select sum(attempts) = (select count(*) from aigate.ledger) and sum(charged_nusd) ="
                        " (select sum(charged_nusd) from aigate.ledger) from aigate.usage_hour")
    assert hours, "roll-ups are the sums of the rows"
    settled = gateway.rows("""select b.meter_id, b.settled - s.amount from aigate.budget_state b join (select m,
        sum(a) as amount from aigate.ledger, unnest(charge_meter_id, charge_amount) c(m, a) group by 1) s
        on s.m = b.meter_id where b.settled <> s.amount""")
    assert settled == [], "budgets are the sums of the charges"
    return {"requests": load.asked, "attempts": len(asked), "rows": sum(rows.values()),
            "statuses": load.statuses}


@pytest.mark.timeout(180 + 15 * KILLS)
def test_flusher_and_postgresql_die_again_and_again(besieged, mock, pg):
    """kill -9 at random moments, one after the other or both at once, while requests run."""
    gateway, keys = besieged
    dice = random.Random(605)
    load = crash.Load(gateway, keys, LOG_MAX, threads=3, pause=0.01).start()
    killed = {"flusher": 0, "postgresql": 0}
    for _ in range(KILLS):
        before = load.asked
        wait(lambda before=before: load.asked > before + dice.randrange(40), "the load to go on")
        victims = dice.choice([["flusher"], ["postgresql"], ["flusher", "postgresql"]])
        if "flusher" in victims:
            gateway.kill9("flusher")
        if "postgresql" in victims:
            pg.kill9()
            pg.start()
        for victim in victims:
            killed[victim] += 1
    load.stopping.set()
    load.join()
    assert set(load.statuses) == {200}, load.statuses
    assert load.asked < LOG_MAX
    print(killed, count(gateway, mock, load))


@pytest.mark.timeout(180 + 3 * AWAY_SECONDS)
def test_postgresql_is_away_for_long(besieged, mock, pg):
    """Nobody is refused, the journal grows, and all of it is stored when PostgreSQL is back."""
    gateway, keys = besieged
    # At a pace the simulator's log can hold; the journal, not the machine, is what is tried.
    pause = max(0.01, 3 * AWAY_SECONDS / LOG_MAX)
    load = crash.Load(gateway, keys, LOG_MAX, threads=2, pause=pause).start()
    wait(lambda: load.asked > 20, "the load to be under way")
    pg.stop()
    gone_at, asked_at = time.monotonic(), load.asked
    wait(lambda: time.monotonic() > gone_at + AWAY_SECONDS, "PostgreSQL to have been away", AWAY_SECONDS + 60)
    assert load.is_running(), load.statuses
    journal = gateway.counter("journal_bytes")
    asked_away = load.asked - asked_at
    assert journal > 0 and asked_away > 0 and "degraded" in gateway.get("/readyz").text
    pg.start()
    back_at = time.monotonic()
    wait(lambda: gateway.counter("journal_bytes") == 0, "the journal to be stored", 600)
    replayed_s = time.monotonic() - back_at
    load.stopping.set()
    load.join()
    assert set(load.statuses) == {200}, load.statuses
    figures = count(gateway, mock, load)
    print({"away_s": AWAY_SECONDS, "asked_meanwhile": asked_away, "journal_bytes": journal,
           "stored_s": round(replayed_s, 1), **figures})
