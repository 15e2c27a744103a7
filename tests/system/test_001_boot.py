"""The master alone: checks, starts, restarts, successions and leaving.  PostgreSQL is not there."""

import ctypes
import fcntl
import itertools
import os
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile

import pytest

from gateway import environment, gateway_user, is_sanitized, program, wait

_numbers = itertools.count(1)
NO_DATABASE = "host=/nonexistent dbname=x user=u password=hushhush"


class Boot:
    """A configuration in a private directory and the masters started from it."""

    def __init__(self):
        self.account = gateway_user()
        self.dir = tempfile.mkdtemp(prefix="ag-boot-", dir="/tmp")
        self.shm_name = f"/aigated-boot-{os.getpid()}-{next(_numbers)}"
        self.conf = {
            "listen": "127.0.0.1:0", "user": self.account.pw_name, "workers": "2",
            "run_dir": self.path("run"), "log_file": self.path("log"),
            "journal_dir": self.path("lib/journal"), "database": f'"{NO_DATABASE}"',
            "shm_name": self.shm_name, "max_keys": "64", "max_meters": "64",
            "max_inflight": "16", "ring_size": "256k", "catalog_size": "64k",
            "shutdown_timeout": "5s",
        }
        os.chmod(self.dir, 0o755)
        os.mkdir(self.path("lib"), 0o755)
        self.write()
        if os.geteuid() == 0:
            for name in ("", "lib"):
                os.chown(self.path(name), self.account.pw_uid, self.account.pw_gid)
        self.masters, self.pids = [], set()

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, **changes):
        self.conf.update(changes)
        with open(self.path("aigated.conf"), "w") as f:
            f.writelines(f"{k} {v}\n" for k, v in self.conf.items() if v is not None)

    def run(self, *options):
        """A run of aigated that ends by itself."""
        return subprocess.run([program("aigated"), "-c", self.path("aigated.conf"), *options],
                              capture_output=True, text=True, env=environment(), timeout=90,
                              check=False)

    def start(self, wait_serving=True, **popen):
        """A master in the foreground; waits until its workers serve."""
        seen = len(self.log)
        with open(self.path("stderr"), "ab") as err:
            master = subprocess.Popen(
                [program("aigated"), "-f", "-c", self.path("aigated.conf")],
                stdin=subprocess.DEVNULL, stdout=err, stderr=err, env=environment(),
                **(popen or {"start_new_session": True}))
        self.masters.append(master)
        if wait_serving:
            def serves():
                assert master.poll() is None, self.log[seen:] + self.stderr
                self.children(master)
                return all(f"worker/{i} serves" in self.log[seen:] for i in range(2))
            wait(serves, "the workers to serve")
        return master

    def children(self, master):
        """{"worker/0": pid} of the last start of each child of a master."""
        found = {}
        for name, pid in re.findall(
                rf"master\[{master.pid}\] info: started (\S+): pid=(\d+)", self.log):
            found[name] = int(pid)
        self.pids |= set(found.values())
        return found

    def successor(self, master, name, old):
        def changed():
            return self.children(master).get(name) not in (None, old)
        wait(changed, f"a successor of {name}")
        return self.children(master)[name]

    @property
    def log(self):
        try:
            with open(self.path("log")) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    @property
    def stderr(self):
        with open(self.path("stderr")) as f:
            return f.read()

    def wait_log(self, pattern, since=0):
        return wait(lambda: re.search(pattern, self.log[since:]), f"log line {pattern!r}")

    def close(self):
        if os.path.exists(self.path("run/aigated.pid")):
            self.pids.add(int(open(self.path("run/aigated.pid")).read()))
        for master in self.masters:
            self.children(master)
            if master.poll() is None:
                master.kill()
                master.wait()
        for pid in self.pids:
            if is_ours(pid):
                os.kill(pid, signal.SIGKILL)
        wait(lambda: not any(is_ours(pid) for pid in self.pids), "all to be gone")
        if os.path.exists("/dev/shm" + self.shm_name):
            os.unlink("/dev/shm" + self.shm_name)
        shutil.rmtree(self.dir, ignore_errors=True)


def is_alive(pid):
    """Not even a zombie."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def is_ours(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().startswith("aigated") and is_alive(pid)
    except FileNotFoundError:
        return False


def status(pid):
    """/proc/PID/status as a dictionary."""
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


@pytest.fixture
def boot():
    one = Boot()
    yield one
    one.close()


# -- checks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("line, complaint", [
    ("workers 99", 'directive "workers": value "99" is outside 0..64'),
    ("ring_size 1k", 'directive "ring_size": value "1k" is outside 64k..1g'),
    ("flush_interval 5", 'directive "flush_interval": value "5" is not a duration'),
    ("wrokers 2", 'unknown directive "wrokers"'),
    ('user "a', "quote in column 6 is not closed"),
])
def test_a_mistake_is_named_with_file_and_line(boot, line, complaint):
    with open(boot.path("aigated.conf"), "a") as f:
        f.write(f"# a comment\n{line}\n")
    boot.conf.pop(line.split()[0], None)
    lines = [text for text in open(boot.path("aigated.conf"))
             if text.split()[0] != line.split()[0] or text == line + "\n"]
    with open(boot.path("aigated.conf"), "w") as f:
        f.writelines(lines)
    for options in (["-t"], ["-f"]):
        done = boot.run(*options)
        assert done.returncode == 1
        assert f"{boot.path('aigated.conf')}:{len(lines)}: {complaint}" in done.stderr
    assert not os.path.exists(boot.path("run")), "nothing took effect"


def test_a_right_configuration_is_called_so(boot):
    done = boot.run("-t")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"configuration file {boot.path('aigated.conf')} is OK\n"


def test_the_database_must_be_given(boot):
    boot.write(database=None)
    done = boot.run("-t")
    assert done.returncode == 1 and 'directive "database": is missing' in done.stderr


def test_files_that_cannot_be_read_are_named(boot):
    boot.write(listen="127.0.0.1:0 tls", tls_certificate=boot.path("cert"),
               tls_certificate_key=boot.path("key"))
    done = boot.run("-t")
    assert done.returncode == 1
    assert f'directive "tls_certificate": could not open file "{boot.path("cert")}"' in done.stderr


def test_a_master_key_open_to_others_is_refused(boot):
    with open(boot.path("master.key"), "w") as f:
        f.write("00" * 32 + "\n")
    os.chmod(boot.path("master.key"), 0o644)
    boot.write(master_key_file=boot.path("master.key"))
    for options in (["-t"], ["-f"]):
        done = boot.run(*options)
        assert done.returncode == 1 and "is open to others: mode 0644" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
@pytest.mark.parametrize("user, complaint", [("nosuchaccount", "does not exist"),
                                             ("root", "is root")])
def test_an_account_it_cannot_run_as_names_the_directive(boot, user, complaint):
    boot.write(user=user)
    done = boot.run("-f")
    assert done.returncode == 1
    assert re.search(f'directive "user": account "{user}" {complaint}', done.stderr)


def test_the_configuration_in_force_reads_back(boot):
    once = boot.run("-T").stdout
    assert "hushhush" not in once and "password=****" in once
    with open(boot.path("aigated.conf"), "w") as f:
        f.write(once)
    assert boot.run("-T").stdout == once


def test_wrong_options_are_told_apart_from_wrong_configurations(boot):
    assert boot.run("-x").returncode == 2
    assert boot.run("surplus").returncode == 2
    assert boot.run("-V").stdout.startswith("aigated ")


# -- start ----------------------------------------------------------------------------------


def test_it_starts_with_any_port_and_says_which(boot):
    master = boot.start()
    (line,) = open(boot.path("run/ports")).read().splitlines()
    address, port, how = line.split()
    assert (address, how) == ("127.0.0.1", "plain")
    socket.create_connection((address, int(port)), timeout=5).close()
    assert int(open(boot.path("run/aigated.pid")).read()) == master.pid
    for name in ("run/control.sock", "run/operator.sock"):
        assert stat.S_IMODE(os.stat(boot.path(name)).st_mode) == 0o600
    assert list(boot.children(master)) == ["flusher", "control", "worker/0", "worker/1"]


def test_nobody_is_root_and_everybody_has_a_title(boot):
    master = boot.start()
    titles = {master.pid: "aigated: master"}
    for name, pid in boot.children(master).items():
        titles[pid] = "aigated: " + name.replace("/", " ")
    for pid, title in titles.items():
        with open(f"/proc/{pid}/cmdline") as f:
            assert f.read().startswith(title)
        facts = status(pid)
        assert set(facts["Uid"].split()) == {str(boot.account.pw_uid)}
        assert set(facts["Gid"].split()) == {str(boot.account.pw_gid)}
        assert facts["NoNewPrivs"] == "1"
        with open(f"/proc/{pid}/limits") as f:
            assert re.search(r"Max core file size\s+0\s+0", f.read())


def test_what_nobody_waits_for_pushes_nobody_aside(boot):
    children = boot.children(boot.start(
        start_new_session=True, preexec_fn=lambda: os.nice(3)))

    def policies():
        return {name: os.sched_getscheduler(pid) for name, pid in children.items()}
    wait(lambda: policies()["flusher"] == os.SCHED_BATCH, "the flusher to step back")
    assert policies() == {"worker/0": os.SCHED_OTHER, "worker/1": os.SCHED_OTHER,
                          "control": os.SCHED_OTHER, "flusher": os.SCHED_BATCH}
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in children.values()} == {3}


def test_a_policy_it_was_started_under_stands(boot):
    children = boot.children(boot.start(
        start_new_session=True,
        preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))))
    assert {os.sched_getscheduler(pid) for pid in children.values()} == {os.SCHED_IDLE}


def test_a_second_master_is_refused(boot):
    boot.start()
    done = boot.run("-f")
    assert done.returncode == 1 and "in use by another master" in done.stderr
    boot.write(run_dir=boot.path("run2"))
    done = boot.run("-f")
    assert done.returncode == 1
    assert f'segment "{boot.shm_name}" is in use by another master' in done.stderr
    assert os.path.exists(boot.path("run/aigated.pid")), "the first one keeps its files"


def test_a_segment_of_other_sizes_is_refused_unless_it_may_be_replaced(boot):
    master = boot.start()
    master.terminate()
    assert master.wait(30) == 0
    boot.write(max_keys="128")
    done = boot.run("-f")
    assert done.returncode == 1 and boot.shm_name in done.stderr
    boot.write(shm_replace="on")
    boot.start()


# -- death ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["worker/1", "flusher", "control"])
def test_a_killed_child_is_started_again(boot, name):
    master = boot.start()
    before = boot.children(master)
    os.kill(before[name], signal.SIGKILL)
    boot.successor(master, name, before[name])
    boot.wait_log(rf"error: {name} died of signal 9 \(Killed\): pid={before[name]}")
    boot.wait_log(rf"started {name}: pid=\d+ incarnation=2")
    after = boot.children(master)
    assert {k for k in after if after[k] != before[k]} == {name}, "nobody else was touched"


def test_last_words_are_logged(boot):
    master = boot.start()
    pid = boot.children(master)["worker/0"]
    # AddressSanitizer keeps SIGSEGV for itself.
    sig = signal.SIGABRT if is_sanitized() else signal.SIGSEGV
    os.kill(pid, sig)
    boot.wait_log(rf"worker/0 died of signal {sig.value} .*pid={pid}")
    boot.wait_log(rf"last words of worker/0: signal {sig.value}")


def test_a_child_that_keeps_dying_is_started_ever_more_slowly(boot):
    master = boot.start()
    pid = boot.children(master)["worker/0"]
    for _ in range(3):
        os.kill(pid, signal.SIGKILL)
        pid = boot.successor(master, "worker/0", pid)
    boot.wait_log("worker/0 died early 2 times in a row, starting it again in 100 ms")
    boot.wait_log("worker/0 died early 3 times in a row, starting it again in 200 ms")


def test_children_leave_when_the_master_is_killed(boot):
    master = boot.start()
    children = boot.children(master)
    master.kill()
    master.wait()
    wait(lambda: not any(map(is_alive, children.values())), "the children to leave")
    again = boot.start()
    boot.wait_log(rf'master\[{again.pid}\] notice: segment "{boot.shm_name}" attached again')
    boot.wait_log(r"started worker/0: pid=\d+ incarnation=2")


def lock_slot(boot, proc_ix):
    """Takes the lock a child holds as long as it lives; the descriptor, or None."""
    fd = os.open("/dev/shm" + boot.shm_name, os.O_RDWR)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK,
                    struct.pack("hhxxxxqqixxxx", fcntl.F_WRLCK, os.SEEK_SET, proc_ix, 1, 0))
    except OSError:
        os.close(fd)
        return None
    return fd


def test_a_new_master_waits_for_the_children_of_the_old(boot):
    """Two producers on one ring would be a disaster.  We stand in for a child that is slow."""
    master = boot.start()
    children = boot.children(master)
    slots = (0, 1, 3, 4)  # control, flusher, two workers; 2 is that of telemetry, which is not there
    assert [lock_slot(boot, ix) for ix in slots] == [None] * 4, "each child holds its own"
    master.kill()
    master.wait()
    wait(lambda: not any(map(is_alive, children.values())), "the children to leave")
    held = lock_slot(boot, 3)
    assert held is not None, "the kernel took it from the dead"
    again = boot.start(wait_serving=False)
    boot.wait_log(rf"master\[{again.pid}\] notice: waiting for 1 processes")
    assert not boot.children(again), "nobody is started beside it"
    os.close(held)
    wait(lambda: len(boot.children(again)) == 4, "the new children")


@pytest.fixture
def foster_parent():
    """Processes without a parent become ours: a stopped one then stays stopped.  (The kernel
    continues stopped processes whose group lost its last parent of the same session.)"""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
    yield
    prctl(36, 0, 0, 0, 0)


def test_a_new_master_waits_for_a_child_that_is_slow_to_leave(boot, foster_parent):
    master = boot.start(process_group=0)
    slow = boot.children(master)["worker/1"]
    os.kill(slow, signal.SIGSTOP)
    master.kill()
    master.wait()
    again = boot.start(wait_serving=False)
    boot.wait_log(rf"master\[{again.pid}\] notice: waiting for \d+ processes")
    assert is_alive(slow) and not boot.children(again), "nobody is started beside it"
    os.kill(slow, signal.SIGCONT)
    wait(lambda: len(boot.children(again)) == 4, "the new children")
    assert not is_alive(slow)


def test_a_child_that_outstays_its_time_is_killed_by_the_next_master(boot, foster_parent):
    boot.write(shutdown_timeout="0")
    master = boot.start(process_group=0)
    stuck = boot.children(master)["worker/0"]
    os.kill(stuck, signal.SIGSTOP)
    master.kill()
    master.wait()
    again = boot.start()
    assert not is_alive(stuck)
    boot.wait_log(rf"process {stuck} of an earlier master did not leave in time, killing it")
    assert boot.children(again)["worker/0"] != stuck


# -- signals --------------------------------------------------------------------------------


def test_term_drains_in_order_and_tidies_up(boot):
    master = boot.start()
    children = boot.children(master)
    master.terminate()
    assert master.wait(30) == 0
    assert not any(map(is_alive, children.values()))
    left = re.findall(r"info: (\S+) left: pid=", boot.log)
    assert set(left[:2]) == {"worker/0", "worker/1"} and left[2:] == ["flusher", "control"]
    assert os.listdir(boot.path("run")) == []
    assert os.path.exists("/dev/shm" + boot.shm_name), "the segment is kept"


def test_a_second_term_kills_what_is_left(boot):
    boot.write(shutdown_timeout="1h")
    master = boot.start()
    children = boot.children(master)
    os.kill(children["worker/0"], signal.SIGSTOP)
    master.terminate()
    boot.wait_log("worker/1 left")
    assert master.poll() is None and is_alive(children["flusher"])
    master.terminate()
    assert master.wait(30) == 1
    assert not any(map(is_alive, children.values()))
    assert os.listdir(boot.path("run")) == []


def test_a_child_that_does_not_drain_in_time_is_killed(boot):
    boot.write(shutdown_timeout="0")
    master = boot.start()
    children = boot.children(master)
    os.kill(children["worker/0"], signal.SIGSTOP)
    master.terminate()
    assert master.wait(30) == 1
    assert "1 processes did not leave in time, killing them" in boot.log
    assert re.findall(r"info: (\S+) left: pid=", boot.log)[-2:] == ["flusher", "control"]


def test_int_leaves_at_once(boot):
    master = boot.start()
    master.send_signal(signal.SIGINT)
    master.wait(30)
    assert os.listdir(boot.path("run")) == []


def test_a_reload_with_a_mistake_changes_nothing(boot):
    master = boot.start()
    children = boot.children(master)
    boot.write(log_level="loud")
    master.send_signal(signal.SIGHUP)
    boot.wait_log(r'not reloaded: .*aigated.conf:\d+: directive "log_level": value "loud" is not')
    boot.write(log_level="info", workers="3")
    master.send_signal(signal.SIGHUP)
    boot.wait_log(r'warn: directive "workers" changed but takes effect only at a restart')
    boot.wait_log("notice: configuration reloaded from")
    assert boot.children(master) == children, "nobody died of it"


def is_held(pid, path):
    """Whether a process has that file open."""
    where = f"/proc/{pid}/fd"
    found = os.stat(path)
    for name in os.listdir(where):
        try:
            if os.path.samestat(os.stat(os.path.join(where, name)), found):
                return True
        except OSError:
            continue
    return False


def test_the_log_is_reopened_after_a_rotation(boot):
    master = boot.start()
    everybody = [master.pid, *boot.children(master).values()]
    os.rename(boot.path("log"), boot.path("log.1"))
    master.send_signal(signal.SIGUSR1)
    wait(lambda: os.path.exists(boot.path("log")), "the new log")
    # Of two signals that wait a process takes the one of the lower number first, and that is SIGHUP.
    wait(lambda: not any(is_held(pid, boot.path("log.1")) for pid in everybody), "all to let go of the old one")
    master.send_signal(signal.SIGHUP)
    boot.wait_log("configuration reloaded")
    assert "configuration reloaded" not in open(boot.path("log.1")).read()


def test_a_daemon_lets_go_when_its_children_serve(boot):
    done = boot.run()
    assert done.returncode == 0, done.stderr + boot.log
    pid = int(open(boot.path("run/aigated.pid")).read())
    boot.pids.add(pid)
    assert "ready: flusher and 2 workers serve" in boot.log
    assert os.getsid(pid) != os.getsid(0)
    os.kill(pid, signal.SIGTERM)
    wait(lambda: not is_alive(pid), "the daemon to leave")
    assert os.listdir(boot.path("run")) == []


def test_a_daemon_that_cannot_start_says_so(boot):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        boot.write(listen=f"127.0.0.1:{taken.getsockname()[1]}")
        done = boot.run()
    assert done.returncode == 1
    assert "could not listen on" in done.stderr and "Address already in use" in done.stderr
