"""A disk under the journal that is stuck or broken: requests are served, and nothing is lost or doubled."""

import errno
import os
import re
import shutil
import tempfile

import pytest

import crash
from gateway import is_sanitized, program, wait
from ledger import fragile, wait_until  # noqa: F401


class Disk:
    """See slow_disk.c."""

    def __init__(self, where):
        self.dir = where

    def _path(self, name):
        return os.path.join(self.dir, name)

    def stick(self):
        """From now on no sync returns."""
        os.mkfifo(self._path("gate"))
        os.chmod(self._path("gate"), 0o666)

    def is_waited_for(self):
        return os.path.exists(self._path("waiting"))

    def answer(self):
        """Everything that waits goes on, and nothing waits any more."""
        gate = self._path("gate")
        if not os.path.exists(gate):
            return
        aside = self._path("aside")
        os.rename(gate, aside)  # whoever comes now finds none
        try:
            os.close(os.open(aside, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            assert error.errno == errno.ENXIO  # nobody waits
        os.unlink(aside)

    def break_(self):
        """From now on every sync fails."""
        with open(self._path("broken"), "w", encoding="utf-8"):
            pass

    def heal(self):
        os.unlink(self._path("broken"))


@pytest.fixture
def disk(pg, monkeypatch):
    """For processes started later."""
    del pg  # started before, by the environment as it was
    where = tempfile.mkdtemp(prefix="ag-disk-", dir="/tmp")
    os.chmod(where, 0o777)
    monkeypatch.setenv("SLOW_DISK", where)
    monkeypatch.setenv("LD_PRELOAD", program("tests/system/slow_disk.so"))
    if is_sanitized():  # the sanitizer wants to be first, and has no part in fdatasync()
        monkeypatch.setenv("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1:verify_asan_link_order=0")
    one = Disk(where)
    yield one
    one.answer()
    shutil.rmtree(where)


def test_while_the_disk_is_stuck_requests_are_served(disk, gateway_factory, mock, pg):
    """Rings that hold a fraction of it, PostgreSQL that does not answer: the journal takes all."""
    gateway = gateway_factory(mock=mock, conf={"workers": "2", "ring_size": "128k"})
    key = gateway.key(budget_usd=500)
    pg.freeze()
    disk.stick()
    load = crash.Load(gateway, [key], 3000, threads=4).start()
    wait(disk.is_waited_for, "a sync to be stuck")
    load.join()
    assert load.statuses == {200: 3000}
    seen = gateway.counters()
    assert seen["req_denied_capacity"] == 0
    # The rings alone would not have held it.
    assert seen["journal_unsynced_bytes"] > 2 * 128 * 1024
    wait(lambda: gateway.counter("journal_late_seconds") > 0, "the delay to be told")
    assert re.search(r"disk slow: the journal waits for its sync since \d+ s", gateway.get("/readyz").text)
    pg.thaw()
    disk.answer()
    crash.assert_exact(gateway, mock)
    wait(lambda: gateway.counter("journal_bytes") == 0, "the journal to be empty")
    wait(lambda: gateway.counter("journal_late_seconds") == 0, "the delay to be over")


def test_the_flusher_dies_while_the_disk_is_stuck(disk, gateway_factory, mock, pg):
    """What was written and not synced is the kernel's: the next flusher stores it, stuck or not."""
    gateway = gateway_factory(mock=mock, conf={"workers": "2", "ring_size": "128k"})
    gateway.expect_error(r"died of signal 9|last words")
    key = gateway.key(budget_usd=500)
    pg.freeze()
    disk.stick()
    load = crash.Load(gateway, [key], 1500, threads=4).start()
    wait(disk.is_waited_for, "a sync to be stuck")
    load.join()
    gateway.wait_new("flusher", 0, gateway.kill9("flusher"))
    pg.thaw()
    crash.assert_exact(gateway, mock)
    assert load.statuses == {200: 1500}
    assert os.path.exists(os.path.join(disk.dir, "gate")), "the disk is stuck all the time"
    disk.answer()


@pytest.mark.parametrize("is_away", [False, True])
def test_syncs_that_fail_cost_nothing(disk, fragile, is_away):
    """They are told, what they left is written again, and PostgreSQL gets it whatever the disk does."""
    fragile.start(journal_sync="20ms", flush_interval="5ms")
    wait_until(lambda: fragile.look()["ledger_ready"], "PostgreSQL is connected")
    if is_away:
        fragile.pg.stop()
    else:
        fragile.pg.freeze()
    disk.break_()
    fragile.feed(n=4000)
    wait_until(lambda: "could not sync the journal: Input/output error" in fragile.log(), "it is told")
    if is_away:
        disk.heal()
        wait_until(lambda: "the journal can be written again" in fragile.log(), "it is over")
        wait_until(fragile.is_safe, "the rings are empty")
        fragile.kill9()
        fragile.pg.start()
        fragile.start()
    else:
        fragile.pg.thaw()
    fragile.wait_stored()
    fragile.check()
    assert fragile.sql("select count(*) from aigate.ledger_gap") == 0


def test_leaving_waits_for_the_last_sync(disk, fragile):
    """However late it is."""
    fragile.pg.stop()
    fragile.start(journal_sync="20ms")
    disk.stick()
    fragile.feed(n=1000)
    wait_until(disk.is_waited_for, "a sync is stuck")
    wait_until(fragile.is_safe, "the rings are empty")
    flusher = fragile.flusher
    flusher.terminate()
    wait_until(lambda: "waiting for the disk to sync the journal" in fragile.log(), "it is told")
    assert flusher.poll() is None
    disk.answer()
    assert flusher.wait(timeout=30) == 0
    flusher.stdin.close()
    fragile.flusher = None
    fragile.pg.start()
    fragile.start()
    fragile.wait_stored()
    fragile.check()
