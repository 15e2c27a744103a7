"""The ledger: rings -> flusher -> PostgreSQL, exactly once, whatever dies.

No gateway: ring_feeder makes a segment, takes holds and pushes records as workers do, and runs the
flusher as the master would.  The records of a run are known, so that every sum can be checked.
"""

import glob
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from gateway import build_dir
from pg import Postgres

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

SEEDS = [int(s) for s in os.environ.get("AIGATED_LEDGER_SEEDS", "1 2 3").split()]


def wait_until(is_so, what, seconds=30):
    """Polls until is_so() is true."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain until " + what
        time.sleep(0.02)


class Ledger:
    """A segment, a database with the schema, and a flusher that comes and goes."""

    def __init__(self, pg, database, where):
        self.pg = pg
        self.database = database
        self.dir = where
        self.shm = "/" + os.path.basename(where)
        self.log_path = os.path.join(where, "log")
        self.journal = os.path.join(where, "journal")
        self.conf = {"database": pg.conninfo(database), "journal_dir": self.journal,
                     "shm_name": self.shm}
        self.flusher = None
        self.pushed = self.charged = 0
        self.feeding = []

    # -- what is done ----------------------------------------------------------------------

    def feeder(self, *args):
        """Runs ring_feeder; its JSON, if it says any."""
        done = subprocess.run([os.path.join(build_dir(), "tests/system/ring_feeder"), *args],
                              capture_output=True, text=True, check=False, timeout=90)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    def feed(self, **options):
        """Pushes records and remembers what they charged."""
        said = self.feeder("feed", self.shm, *[f"{k}={v}" for k, v in options.items()])
        self.pushed += said["pushed"]
        self.charged += said["charged"]
        return said

    def feed_async(self, **options):
        """The same in the background, until fed()."""
        self.feeding.append(subprocess.Popen(
            [os.path.join(build_dir(), "tests/system/ring_feeder"), "feed", self.shm]
            + [f"{k}={v}" for k, v in options.items()], stdout=subprocess.PIPE, text=True))

    def fed(self, seconds=60):
        """Waits for those in the background."""
        for one in self.feeding:
            said = json.loads(one.communicate(timeout=seconds)[0])
            self.pushed += said["pushed"]
            self.charged += said["charged"]
        self.feeding = []

    def start(self, **conf):
        """Starts the flusher."""
        if not os.path.exists("/dev/shm" + self.shm):
            self.feed(n=0)
        self.conf.update(conf)
        path = os.path.join(self.dir, "conf")
        with open(path, "w", encoding="utf-8") as f:
            for name, value in self.conf.items():
                f.write(f'{name} "{value}"\n')
        with open(self.log_path, "ab") as log:
            self.flusher = subprocess.Popen(
                [os.path.join(build_dir(), "tests/system/ring_feeder"), "flush", self.shm, path],
                stdin=subprocess.PIPE, stdout=log, stderr=log)

    def kill9(self):
        """Kills the flusher at whatever instruction it is."""
        self.flusher.send_signal(signal.SIGKILL)
        self.flusher.wait()
        self.flusher.stdin.close()
        self.flusher = None

    def drain(self):
        """SIGTERM; the exit status."""
        wait_until(lambda: self.look()["serving"] == self.flusher.pid, "the flusher serves")
        self.flusher.send_signal(signal.SIGTERM)
        status = self.flusher.wait(timeout=30)
        self.flusher.stdin.close()
        self.flusher = None
        return status

    def close(self):
        """Everything away."""
        for one in self.feeding:
            one.kill()
            one.wait()
        if self.flusher:
            self.kill9()
        self.feeder("unlink", self.shm)

    # -- what is seen ----------------------------------------------------------------------

    def look(self):
        """The segment."""
        return self.feeder("look", self.shm)

    def sql(self, query):
        """As Postgres.sql, in the database of the ledger."""
        return self.pg.sql(query, database=self.database)

    def log(self):
        """All that the flushers said."""
        with open(self.log_path, encoding="utf-8") as f:
            return f.read()

    def is_stored(self):
        """Everything pushed is in PostgreSQL."""
        return all(r["stored"] == r["last"] for r in self.look()["rings"])

    def is_safe(self):
        """Nothing waits in a ring."""
        return all(r["waiting"] == 0 for r in self.look()["rings"])

    def wait_stored(self, seconds=30):
        """Until everything is in PostgreSQL."""
        wait_until(self.is_stored, "all records are stored", seconds)

    def check(self, quarantined=0, missing=0):
        """Each record once, and every sum equal to every other."""
        assert self.sql("select count(*) from aigate.ledger") == self.pushed - quarantined
        assert self.sql("select count(*) from aigate.ledger_quarantine") == quarantined
        assert self.sql("select count(distinct (boot_id, worker, seq)) from aigate.ledger") \
            == self.pushed - quarantined
        assert self.sql("select coalesce(sum(to_seq - from_seq + 1), 0) from aigate.ledger_gap") \
            == missing
        assert self.sql("select sum(settled) from aigate.budget_state") == self.charged
        assert self.sql("select sum(attempts) from aigate.usage_hour") == self.pushed - quarantined
        assert self.sql("select sum(seq) from aigate.ledger_position") == self.pushed + missing
        assert self.sql("""
            select count(*) from (select boot_id, worker, max(seq) as seq
                from (select boot_id, worker, seq from aigate.ledger
                      union all select boot_id, worker, seq from aigate.ledger_quarantine) all_seen
                group by 1, 2) l
            full join aigate.ledger_position p using (boot_id, worker)
            where p.seq is distinct from l.seq""") == 0
        if quarantined == 0:
            assert self.sql("""
                select count(*) from (
                    select m as meter_id, p as period, sum(a) as settled, count(*) as requests
                    from aigate.ledger, unnest(charge_meter_id, charge_period, charge_amount) c(m, p, a)
                    group by 1, 2) l
                full join aigate.budget_state b using (meter_id, period)
                where (b.settled, b.requests) is distinct from (l.settled, l.requests)""") == 0
            assert self.sql("""
                select (select sum(cost_nusd) from aigate.ledger)
                     - (select sum(cost_nusd) from aigate.usage_hour)""") == 0
        assert self.look()["counters"]["sequence_holes"] == missing


def load_schema(pg, database):
    """Migrations, views, grants: as the migration runner does."""
    for pattern in ("migrations/*.sql", "views/*.sql", "grants.sql"):
        for path in sorted(glob.glob(os.path.join(TOP, "sql", pattern))):
            with open(path, encoding="utf-8") as f:
                pg.run("begin;\n" + f.read() + "\ncommit;", database=database)


@pytest.fixture
def ledger(pg):
    """A ledger on the shared cluster."""
    where = tempfile.mkdtemp(prefix="ag-ledger-", dir="/tmp")
    database = pg.create_database()
    load_schema(pg, database)
    one = Ledger(pg, database, where)
    yield one
    pg.thaw()
    pg.ensure_running()
    one.close()
    pg.drop_database(database)
    shutil.rmtree(where)


@pytest.fixture
def fragile(tmp_path):
    """A ledger on a cluster of its own, which may be killed."""
    del tmp_path
    where = tempfile.mkdtemp(prefix="ag-ledger-", dir="/tmp")
    pg = Postgres(durable=True)
    pg.start()
    database = pg.create_database()
    load_schema(pg, database)
    one = Ledger(pg, database, where)
    yield one
    pg.thaw()
    one.close()
    pg.remove()
    shutil.rmtree(where)


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
