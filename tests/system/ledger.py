"""A ledger without a gateway: ring_feeder makes a segment, takes holds and pushes records as workers
do, and runs the flusher as the master would.  The records are known, so that every sum can be checked.
"""

import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from gateway import build_dir
from pg import Postgres

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


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
        if os.path.exists("/dev/shm" + self.shm):
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
        assert self.sql("""select count(*) from
            (select day, organisation_id, api_key_id, sum(attempts) as n, sum(cost_nusd) as cost
                from aigate.usage_day group by 1, 2, 3) d
            full join (select (hour at time zone 'UTC')::date as day, organisation_id, api_key_id,
                    sum(attempts) as n, sum(cost_nusd) as cost
                from aigate.usage_hour group by 1, 2, 3) h using (day, organisation_id, api_key_id)
            where (d.n, d.cost) is distinct from (h.n, h.cost)""") == 0
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
