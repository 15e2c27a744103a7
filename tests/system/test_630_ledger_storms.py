"""What happens to a database and a disk in a bad week, while records keep coming: each is stored once."""

import contextlib
import glob
import json
import os
import re
import signal
import subprocess

import pytest

import gateway as gw
from ledger import fragile, ledger, wait_until  # noqa: F401


def journal_ctl(one, *args, check=True):
    """aigatectl journal with the configuration of a ledger."""
    return gw.ctl("-c", os.path.join(one.dir, "conf"), "journal", *args, check=check)


@pytest.fixture
def strict(fragile):  # noqa: F811
    """A ledger whose flusher has a password, and no more rights than grants.sql gives it."""
    pg = fragile.pg
    pg.run("create role ledger_user login password 'first'")
    pg.run("grant aigate_flusher to ledger_user")
    hba = os.path.join(pg.data, "pg_hba.conf")
    with open(hba, encoding="utf-8") as f:
        rest = f.read()
    with open(hba, "w", encoding="utf-8") as f:
        f.write("local all ledger_user scram-sha-256\n" + rest)
    pg.run("select pg_reload_conf()")
    passfile = os.path.join(fragile.dir, "pgpass")

    def remember(password):
        with open(passfile, "w", encoding="utf-8") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write(f"*:*:*:*:{password}\n")
    remember("first")
    fragile.remember = remember
    fragile.conf["database"] = f"{pg.conninfo(fragile.database, 'ledger_user')} passfile={passfile}"
    return fragile


def cut(one, user="ledger_user"):
    """Ends the flusher's sessions."""
    one.pg.run("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", user)


def is_waiting_on_disk(one):
    """Rings empty, journal not, and known to be so."""
    return one.is_safe() and one.look()["pg_down"] and glob.glob(one.journal + "/*.journal")


def test_a_changed_password_is_learnt_without_a_restart(strict):
    """The password file is read at every attempt to connect."""
    strict.start()
    strict.feed(n=500)
    strict.wait_stored()
    strict.pg.run("alter role ledger_user password 'second'")
    cut(strict)
    strict.feed(n=500)
    wait_until(lambda: is_waiting_on_disk(strict), "records wait in the journal")
    assert "password authentication failed" in strict.log()
    strict.remember("second")
    strict.wait_stored()
    strict.check()


def crowd_in(strict, crowd):
    """Others take every connection there is: until one of them is refused."""
    while True:
        one = subprocess.Popen(["psql", "-XAtq", strict.pg.conninfo("postgres", "crowd")],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        with contextlib.suppress(BrokenPipeError):
            one.stdin.write("select 'in';\n")
            one.stdin.flush()
        if one.stdout.readline() != "in\n":
            with contextlib.suppress(BrokenPipeError):
                one.stdin.close()
            one.wait(timeout=30)
            return
        crowd.append(one)


def test_no_connection_to_be_had(strict):
    """max_connections is used up by others: the journal holds until one goes."""
    strict.start()
    strict.feed(n=500)
    strict.wait_stored()
    strict.pg.run("create role crowd login")
    crowd = []
    crowd_in(strict, crowd)
    os.kill(strict.flusher.pid, signal.SIGSTOP)  # it would be faster than the last one
    cut(strict)
    crowd_in(strict, crowd)
    os.kill(strict.flusher.pid, signal.SIGCONT)
    strict.feed(n=500)
    try:
        wait_until(lambda: is_waiting_on_disk(strict), "records wait in the journal")
        assert "connection slots" in strict.log() or "too many clients" in strict.log()
    finally:
        for one in crowd:
            one.stdin.close()
            one.wait(timeout=30)
    strict.wait_stored()
    strict.check()


def test_a_database_that_takes_nothing(strict):
    """read_only sessions, as on a standby: it connects again until it may write."""
    strict.start()
    strict.feed(n=500)
    strict.wait_stored()
    strict.pg.run(f"alter database {strict.database} set default_transaction_read_only = on")
    cut(strict)
    strict.feed(n=500)
    wait_until(lambda: is_waiting_on_disk(strict), "records wait in the journal")
    assert "25006" in strict.log()
    strict.pg.run(f"alter database {strict.database} reset default_transaction_read_only")
    strict.wait_stored()
    strict.check()


def test_a_full_disk_of_its_own(fragile):  # noqa: F811
    """ENOSPC while PostgreSQL is away: the rings hold, the intake closes, and nothing is lost."""
    os.makedirs(fragile.journal)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", fragile.journal],
                             capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("may not mount a file system")
    try:
        fragile.pg.stop()
        fragile.feed(n=0, ring=65536)
        fragile.start()
        fragile.feed_async(n=3000, ring=65536)
        wait_until(lambda: fragile.look()["intake_closed"], "the intake is closed")
        assert "no room left" in fragile.log()
        fragile.pg.start()
        fragile.fed()
        fragile.wait_stored()
        fragile.check()
        assert fragile.drain() == 0
    finally:
        if fragile.flusher:
            fragile.kill9()
        subprocess.run(["umount", fragile.journal], check=True)


def test_a_dropped_partition_is_made_again(strict):
    """Somebody drops the partition of today."""
    strict.start()
    strict.feed(n=500)
    strict.wait_stored()
    name = strict.sql("select name from aigate.ledger_partitions() where now() between from_at and until_at")
    strict.sql(f"drop table aigate.{name}")
    strict.feed(n=700)
    strict.wait_stored()
    assert strict.sql("select count(*) from aigate.ledger") == 700
    assert strict.sql("select count(*) from aigate.ledger_quarantine") == 0
    assert strict.sql("select sum(attempts) from aigate.usage_hour") == 1200


def test_old_records_get_the_partition_they_need(strict):
    """A journal of last winter: rows, not quarantine; a clock that is wrong by decades is refused."""
    strict.start()
    strict.feed(n=300, old=400)
    strict.feed(n=300, old=200, poison=77)
    strict.feed(n=300)
    strict.wait_stored()
    strict.check(quarantined=1)
    assert "partitions that records needed" in strict.log()
    assert strict.sql("select count(*) from aigate.ledger_partitions() "
                      "where until_at < now() - interval '150 days'") == 2


def test_partitions_by_day(fragile):  # noqa: F811
    """From months to days: what stands stays, what is new is a day; nothing overlaps."""
    fragile.sql("select name from aigate.ledger_partitions()")
    for name, in fragile.pg.rows("select name from aigate.ledger_partitions() where from_at > now()",
                                 database=fragile.database):
        fragile.sql(f"drop table aigate.{name}")
    fragile.start(ledger_partition="day")
    fragile.feed(n=100, old=100)
    fragile.feed(n=100)
    fragile.wait_stored()
    fragile.check()
    old, = fragile.pg.rows("select until_at - from_at = interval '1 day', name ~ '^ledger_[0-9_]{10}$' from "
                           "aigate.ledger_partitions() where until_at < now() - interval '60 days' and "
                           "name in (select tableoid::regclass::text from aigate.ledger) or "
                           "(until_at < now() - interval '90 days')", database=fragile.database)
    assert old == (True, True)
    assert fragile.sql("""select count(*) from aigate.ledger_partitions() a
        join aigate.ledger_partitions() b on a.name < b.name
            and a.from_at < b.until_at and b.from_at < a.until_at""") == 0


@pytest.mark.parametrize("is_owner", [True, False], ids=["owner", "no owner"])
def test_retention_drops_under_load_without_a_pause(strict, is_owner):
    """A reader sits in an old transaction; writing goes on while the partition is detached."""
    if is_owner:
        strict.conf["database"] = strict.pg.conninfo(strict.database)
    strict.start()
    strict.feed(n=100, old=100)
    strict.feed(n=100)
    strict.wait_stored()
    assert strict.drain() == 0
    old = strict.sql("select name from aigate.ledger_partitions() where until_at < now() - interval '60 days'")
    reader = subprocess.Popen(["psql", "-XAtq", strict.pg.conninfo(strict.database)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    reader.stdin.write(f"begin; select count(*) from aigate.{old if is_owner else 'ledger_gap'};\n")
    reader.stdin.flush()
    assert reader.stdout.readline().strip() in ("100", "0")
    strict.start(ledger_retention="60d")
    if is_owner:
        wait_until(lambda: strict.sql("select bool_or(is_detaching) from aigate.ledger_partitions()"),
                   "the partition is being detached")
    strict.feed(n=2000)
    strict.wait_stored()  # while the reader holds on to what is being dropped
    if is_owner:
        assert strict.sql(f"select to_regclass('aigate.{old}') is not null")
    reader.stdin.close()
    reader.wait(timeout=30)
    wait_until(lambda: strict.sql(f"select to_regclass('aigate.{old}') is null"), "it is dropped")
    assert strict.sql("select count(*) from aigate.ledger") == 2100
    assert strict.sql("select sum(attempts) from aigate.usage_hour") == 2200


def test_retention_that_is_cut_off_goes_on_within_seconds(strict):
    """Its connection is ended while it waits for a reader; the next one finishes, today."""
    strict.conf["database"] = strict.pg.conninfo(strict.database)
    strict.start()
    strict.feed(n=100, old=100)
    strict.wait_stored()
    assert strict.drain() == 0
    old = strict.sql("select name from aigate.ledger_partitions() where until_at < now() - interval '60 days'")
    reader = strict.pg.session(strict.database)
    try:
        reader.run(f"begin; select count(*) from aigate.{old};")
        strict.start(ledger_retention="60d")
        waiting = "select pid from pg_stat_activity where application_name = 'aigated retention' and query like '%detach%'"
        wait_until(lambda: strict.sql(waiting), "it waits for the reader")
        ended = strict.sql(waiting)
        assert strict.sql(f"select pg_terminate_backend({ended})")
        wait_until(lambda: re.search("could not drop old ledger partitions: .*, trying again in 5 s", strict.log()),
                   "it says so")
        wait_until(lambda: strict.sql(waiting) not in (None, ended), "it is back")
    finally:
        reader.close()
    wait_until(lambda: strict.sql(f"select to_regclass('aigate.{old}') is null"), "it is dropped")
    assert "tomorrow" not in strict.log()


def test_a_death_while_dropping_is_made_good(fragile):  # noqa: F811
    """Detached and marked, or half detached: the next one finishes."""
    fragile.start()
    fragile.feed(n=100, old=100)
    fragile.feed(n=100, old=200)
    fragile.wait_stored()
    assert fragile.drain() == 0
    names = [n for n, in fragile.pg.rows("select name from aigate.ledger_partitions() "
                                         "where until_at < now() - interval '60 days' order by 1", database=fragile.database)]
    assert len(names) == 2
    fragile.sql(f"comment on table aigate.{names[0]} is 'Being dropped'")
    fragile.sql(f"alter table aigate.ledger detach partition aigate.{names[0]}")
    fragile.start(ledger_retention="60d")
    gone = " and ".join(f"to_regclass('aigate.{name}') is null" for name in names)
    wait_until(lambda: fragile.sql(f"select {gone}"), "both are gone")


def test_the_roll_ups_say_what_the_ledger_says(ledger):  # noqa: F811
    """Errors, leakage, chosen metadata and histograms agree with the rows."""
    ledger.start(rollup_metadata="user_email, subscription_tier")
    ledger.feed(n=3000, fail=10)
    ledger.wait_stored()
    ledger.check()
    assert ledger.sql("select sum(attempts) from aigate.error_hour") == 300
    assert ledger.sql("select sum(unknown_usage) from aigate.usage_hour") == 300
    assert ledger.sql("""select (select sum(unknown_nusd) from aigate.usage_hour)
        - (select sum(charged_nusd) from aigate.ledger where usage_source = 'unknown')""") == 0
    assert ledger.sql("""select count(*) from
        (select meta_value, sum(requests) as n, sum(cost_nusd) as cost from aigate.metadata_hour
            where meta_key = 'user_email' group by 1) m
        full join (select metadata ->> 'user_email' as meta_value, count(*) as n, sum(cost_nusd) as cost
            from aigate.ledger group by 1) l using (meta_value)
        where (m.n, m.cost) is distinct from (l.n, l.cost)""") == 0
    assert ledger.sql("select sum(n) from (select sum(total) as n from aigate.latency_hour) t") == 2700
    p50, = ledger.pg.rows("select min(p50_ms), max(p99_ms) from aigate.v_latency_by_hour",
                          database=ledger.database)
    assert 80 <= p50[0] <= 100 and 80 <= p50[1] <= 100  # each took 90 ms


def test_status_and_verify_look_at_a_journal_in_use(fragile):  # noqa: F811
    """Beside the flusher that writes it."""
    fragile.pg.stop()
    fragile.start()
    fragile.feed(n=1000)
    wait_until(lambda: is_waiting_on_disk(fragile), "records wait in the journal")
    said = json.loads(gw.ctl("-o", "json", "-c", os.path.join(fragile.dir, "conf"), "journal",
                             "status").stdout)
    assert said["in_use"] and said["bytes"] > 100000 and len(said["segments"]) == 1
    said = json.loads(gw.ctl("-o", "json", "-c", os.path.join(fragile.dir, "conf"), "journal",
                             "verify").stdout)
    assert said["records"] == 1000 and said["missing"] == 0 and said["damaged_places"] == 0
    refused = journal_ctl(fragile, "replay", check=False)
    assert refused.returncode == 1 and "in use" in refused.stderr
    assert fragile.drain() == 0
    segment, = glob.glob(fragile.journal + "/*.journal")
    with open(segment, "r+b") as f:
        f.seek(20000)
        f.write(b"\xff" * 100)
    done = journal_ctl(fragile, "verify", check=False)
    assert done.returncode == 1 and "1 damaged places" in done.stderr


def test_replay_stores_a_journal_without_a_daemon(fragile):  # noqa: F811
    """Half of it is stored already; the rest comes in once, twice asked."""
    fragile.start()
    fragile.feed(n=500)
    fragile.wait_stored()
    fragile.pg.stop()
    fragile.feed(n=2500)
    wait_until(lambda: is_waiting_on_disk(fragile), "records wait in the journal")
    assert fragile.drain() == 0
    away = journal_ctl(fragile, "--dir", fragile.dir + "/none", "replay", check=False)
    assert away.returncode != 0
    fragile.pg.start()
    assert "stored 2500 records" in journal_ctl(fragile, "replay").stdout
    assert "stored 0 records" in journal_ctl(fragile, "replay").stdout
    assert not glob.glob(fragile.journal + "/*.journal")
    fragile.check()


def test_back_pressure_reaches_the_workers_when_postgresql_is_slow(fragile):  # noqa: F811
    """A lock holds PostgreSQL up: journal, then rings, then the intake; and back."""
    fragile.feed(n=0, ring=65536)
    fragile.start(journal_max="1m")
    wait_until(lambda: fragile.look()["ledger_ready"], "PostgreSQL is connected")
    holder = subprocess.Popen(["psql", "-XAtq", fragile.pg.conninfo(fragile.database)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    holder.stdin.write("begin; lock table aigate.ledger in access exclusive mode; select 'held';\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "held\n"
    fragile.feed_async(n=20000, ring=65536)
    wait_until(lambda: fragile.look()["intake_closed"], "the intake is closed")
    holder.stdin.close()
    holder.wait(timeout=30)
    fragile.fed()
    fragile.wait_stored()
    fragile.check()
    wait_until(lambda: not fragile.look()["intake_closed"], "the intake is open")
