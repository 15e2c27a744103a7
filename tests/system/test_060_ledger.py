"""The ledger: rings -> flusher -> PostgreSQL, exactly once, whatever dies.  No gateway: see ledger.py."""

import glob
import os
import random
import time

import pytest

from ledger import fragile, ledger, wait_until  # noqa: F401

SEEDS = [int(s) for s in os.environ.get("AIGATED_LEDGER_SEEDS", "1 2 3").split()]


def test_every_record_becomes_one_row(ledger):
    """Rows, roll-ups, budgets, positions and meters agree."""
    ledger.feed(n=5000)
    ledger.start()
    ledger.wait_stored()
    ledger.check()
    seen = ledger.look()
    assert seen["ledger_ready"] == 1 and seen["pg_down"] == 0
    settled = dict(ledger.pg.rows("select meter_id, settled from aigate.budget_state",
                                  database=ledger.database))
    assert {int(k): v[0] for k, v in seen["meters"].items()} == settled
    assert ledger.drain() == 0


def test_a_poison_row_is_put_aside_alone(ledger):
    """What PostgreSQL refuses goes to quarantine with the reason; its charges count all the same."""
    ledger.feed(n=3000, poison=777, meta=1500, huge=2200)
    ledger.start()
    ledger.wait_stored()
    ledger.check(quarantined=2)
    reasons = sorted(r for (r,) in ledger.pg.rows("select reason from aigate.ledger_quarantine",
                                                  database=ledger.database))
    assert "partition" in reasons[0] and reasons[0].startswith("23514")
    assert reasons[1] == "a usage counter is out of range"
    assert ledger.sql("select count(*) from aigate.ledger where metadata ? 'x'") == 1
    assert ledger.look()["counters"]["flush_quarantined"] == 2


ODD = {**dict(zip(("cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "input_image",
                   "cache_read_audio", "reasoning", "output_audio", "output_image", "accepted_prediction",
                   "rejected_prediction", "web_searches", "units"), range(1001, 1014))),
       "geo_num": 11, "geo_den": 10, "provider_cost_nusd": 1014, "price_ppm": 1015, "queue_us": 1016,
       "connect_us": 1017, "cache_status": 1018, "user_id": 1019, "config_id": 1020,
       "price_adjustment_id": 1021, "error_type": "none", "span_id": "b7ad6b7169203331"}
NULLS = ("geo_num", "geo_den", "provider_cost_nusd", "price_ppm", "user_id", "config_id",
         "price_adjustment_id", "error_type", "span_id")
ALWAYS = {"attempt": 1, "organisation_id": 1, "integration_id": 3, "integration_workspace_id": 4,
          "provider_id": 5, "family": "openai", "provider_slug": "openai-prod",
          "requested_model": "gpt-5-mini", "endpoint": "chatComplete", "is_stream": False,
          "outcome": "answered",
          "is_final": True, "status": 200, "client_status": 200, "finish_reason": "stop",
          "usage_source": "reported", "service_tier": "standard", "price_id": 17, "held_nusd": 200000,
          "admit_us": 3, "overhead_us": 41, "request_bytes": 1200, "response_bytes": 3400,
          "trace_id": "0af7651916cd43dd8448eb211c80319c",
          "upstream_id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG"}


def column_values(record):
    """What a row of record number `record` of its worker must hold, but for when and its charges."""
    worker, seq, is_odd = record
    i = seq * 2 + worker
    cost = i * 7919 % 100003
    return {**ALWAYS, **(ODD if is_odd else {c: None if c in NULLS else 0 for c in ODD}),
            "worker": worker, "seq": seq, "request_id": i.to_bytes(16, "little").hex(),
            "workspace_id": 1 + i % 5, "api_key_id": 1 + i % 50, "input_fresh": 100 + i % 900,
            "output_total": 50 + i % 500, "cost_nusd": cost, "charged_nusd": cost,
            "served_model": "gpt-5-mini-2026-03-01" if i % 2 else "gpt-5-nano",
            "metadata": {"user_email": f"u{i % 50}@example.com",
                         "subscription_tier": "pro" if i % 3 else "free"}}


def test_rows_of_both_shapes_say_what_their_records_said(ledger):
    """Lean and full ones in one batch, each column of each."""
    ledger.feed(n=300, odd=3)
    ledger.start()
    ledger.wait_stored()
    ledger.check()
    assert ledger.look()["counters"]["flush_batches"] == 1
    rows = [r for r, in ledger.pg.rows("select to_jsonb(l) from aigate.ledger l", database=ledger.database)]
    assert len(rows) == 300
    for row in rows:
        k = row["seq"] * 2 - (row["worker"] == 1)
        want = column_values((row["worker"], row["seq"], k % 3 == 0))
        row["request_id"] = row["request_id"].replace("-", "")
        assert {c: row[c] for c in want} == want
        assert set(row) - set(want) == {"boot_id", "received_at", "sent_at", "first_byte_at", "finished_at",
                                        "charge_meter_id", "charge_period", "charge_amount"}
        assert row["sent_at"] == row["received_at"] < row["first_byte_at"] < row["finished_at"]
        assert set(row["charge_amount"]) == {row["cost_nusd"]} and None not in row["charge_period"]


def test_a_poison_row_is_put_aside_alone_whatever_its_shape(ledger):
    """As above, the refused rows full ones among lean and full ones."""
    ledger.feed(n=3000, odd=7, poison=777, huge=2200)
    ledger.start()
    ledger.wait_stored()
    ledger.check(quarantined=2)
    assert ledger.sql("select count(*) from aigate.ledger where units = 1013") == 3000 // 7 - 1
    assert ledger.sql("select count(*) from aigate.ledger_quarantine where reason like '23514%partition%'") == 1


def test_full_rows_find_a_partition_too(ledger):
    """A day long past, full rows only, since lean ones go first and would ask for it: made, and sent again."""
    ledger.feed(n=100, odd=1, old=200)
    ledger.start()
    ledger.wait_stored()
    ledger.check()
    assert "ledger partitions that records needed" in ledger.log()


def test_a_database_that_is_behind_costs_no_record(ledger):
    """Without the default that a migration gives: records wait until it is there, none is put aside."""
    ledger.sql("alter table only aigate.ledger alter units drop default; select 1")
    ledger.feed(n=100, odd=7)
    ledger.start()
    wait_until(lambda: "could not store a batch" in ledger.log() and 'column "units"' in ledger.log(), "it is told")
    assert ledger.sql("select count(*) from aigate.ledger") == 0
    ledger.sql("alter table only aigate.ledger alter units set default 0; select 1")
    ledger.wait_stored()
    ledger.check()


def test_a_hole_in_the_sequence_is_recorded(ledger):
    """A number that never comes is a gap, an error in the log, and no reason to stop."""
    ledger.feed(n=1000, hole=500)
    ledger.start()
    ledger.wait_stored()
    ledger.check(missing=1)
    assert "never arrived" in ledger.log()


def test_records_wait_in_the_journal_while_postgresql_is_away(fragile):
    """PostgreSQL absent at start: rings are emptied to disk; afterwards all is stored."""
    fragile.pg.stop()
    fragile.feed(n=2000)
    fragile.start()
    wait_until(fragile.is_safe, "the rings are empty")
    assert fragile.look()["ledger_ready"] == 0
    wait_until(lambda: fragile.look()["pg_down"], "it is noticed")
    fragile.feed(n=2000)
    wait_until(fragile.is_safe, "the rings are empty again")
    assert glob.glob(fragile.journal + "/*.journal")
    fragile.pg.start()
    fragile.wait_stored()
    fragile.check()
    wait_until(lambda: not glob.glob(fragile.journal + "/*.journal"), "the journal is gone")
    seen = fragile.look()
    assert seen["ledger_ready"] == 1 and seen["pg_down"] == 0
    assert seen["counters"]["journal_replayed"] >= 4000


def test_the_journal_of_an_earlier_segment_is_stored_too(fragile):
    """Records of two segments in one journal; ledger_ready only when the old ones are in."""
    fragile.pg.stop()
    fragile.feed(n=1000)
    fragile.start()
    wait_until(fragile.is_safe, "the rings are empty")
    assert fragile.drain() == 0
    fragile.feeder("unlink", fragile.shm)
    fragile.feed(n=1500)
    fragile.start()
    wait_until(fragile.is_safe, "the rings are empty")
    assert fragile.look()["ledger_ready"] == 0
    fragile.pg.start()
    fragile.wait_stored()
    fragile.check()
    assert fragile.sql("select count(distinct boot_id) from aigate.ledger") == 2


def test_a_frozen_postgresql_holds_up_nobody(fragile):
    """It answers nothing and closes nothing: the journal takes over within journal_sync."""
    fragile.start()
    fragile.feed(n=1000)
    fragile.wait_stored()
    fragile.pg.freeze()
    fragile.feed(n=4000)
    wait_until(fragile.is_safe, "the rings are empty")
    wait_until(lambda: fragile.look()["pg_down"], "the silence is noticed")
    fragile.pg.thaw()
    fragile.wait_stored()
    fragile.check()
    assert fragile.look()["counters"]["journal_records"] > 0


def test_a_full_journal_closes_the_intake_until_there_is_room(fragile):
    """Ring and journal full: the flag is raised, and taken down again."""
    fragile.pg.stop()
    fragile.feed(n=0, ring=65536)
    fragile.start(journal_max="1m")
    fragile.feed_async(n=20000, ring=65536)
    wait_until(lambda: fragile.look()["intake_closed"], "the intake is closed")
    assert fragile.feeding[0].poll() is None
    fragile.pg.start()
    fragile.fed()
    fragile.wait_stored()
    fragile.check()
    wait_until(lambda: not fragile.look()["intake_closed"], "the intake is open")
    size = sum(os.path.getsize(p) for p in glob.glob(fragile.journal + "/*.journal"))
    assert size <= 1 << 20


def test_draining_leaves_nothing_in_the_rings(fragile):
    """SIGTERM: stored when PostgreSQL answers, in the journal when it does not."""
    fragile.start()
    wait_until(lambda: fragile.look()["ledger_ready"], "PostgreSQL is connected")
    fragile.feed(n=3000)
    assert fragile.drain() == 0
    assert fragile.is_stored()
    fragile.pg.stop()
    fragile.feed(n=3000)
    fragile.start()
    assert fragile.drain() == 0
    assert fragile.is_safe() and not fragile.is_stored()
    fragile.pg.start()
    fragile.start()
    fragile.wait_stored()
    fragile.check()


def test_the_flusher_leaves_with_its_master(ledger):
    """The pipe to the master closes: drain and go."""
    ledger.start()
    wait_until(lambda: ledger.look()["ledger_ready"], "PostgreSQL is connected")
    ledger.feed(n=500)
    ledger.flusher.stdin.close()
    assert ledger.flusher.wait(timeout=30) == 0
    ledger.flusher = None
    assert ledger.is_stored()


def test_what_another_hand_has_stored_is_skipped(ledger):
    """A transaction of a dead flusher commits late: positions move under the feet of the next."""
    ledger.feed(n=200, workers=2)
    ledger.start()
    ledger.wait_stored()
    ledger.sql("update aigate.ledger_position set seq = seq + 10 where worker = 0")
    ledger.feed(n=200, workers=2)
    ledger.wait_stored()
    assert ledger.sql("select count(*) from aigate.ledger") == 400 - 10
    assert ledger.sql("select max(seq) from aigate.ledger_position") == 200
    assert ledger.sql("select count(*) from aigate.ledger_gap") == 0
    assert "positions had moved" in ledger.log()


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_doubled_when_they_die(fragile, seed):
    """kill -9 of flusher and PostgreSQL at random moments while records keep coming."""
    dice = random.Random(seed)
    fragile.feed(n=100)
    fragile.start(flush_interval="5ms", flush_batch="300", journal_sync="20ms")
    fragile.feed_async(n=16000, rate=4000)
    while fragile.feeding[0].poll() is None:
        time.sleep(dice.uniform(0.01, 0.25))  # the moment is the point, nothing is waited for
        what = dice.choice(["flusher", "flusher", "flusher", "pg", "freeze", "both"])
        if what == "freeze":
            fragile.pg.freeze()
            time.sleep(dice.uniform(0.02, 0.1))
            fragile.pg.thaw()
        if what in ("flusher", "both"):
            fragile.kill9()
        if what in ("pg", "both"):
            fragile.pg.kill9()
            fragile.pg.start()
        if what in ("flusher", "both"):
            fragile.start()
    fragile.fed()
    fragile.wait_stored()
    fragile.check()


def test_the_reconciler_returns_what_the_dead_held(ledger):
    """Meters that stand too high go back to the ledger's figure; one that is in use is left alone."""
    ledger.feed(n=1000, leak=123456, stuck=1)
    ledger.start()
    ledger.wait_stored()
    settled = dict(ledger.pg.rows("select meter_id, settled from aigate.budget_state",
                                  database=ledger.database))

    def meters():
        return {int(k): tuple(v) for k, v in ledger.look()["meters"].items()}

    wait_until(lambda: all(meters()[i] == (settled[i], 0) for i in range(2, 8)), "all are right")
    assert meters()[1] == (settled[1] + 123456 + 5, 1)
    assert ledger.look()["counters"]["meters_corrected"] == 6
