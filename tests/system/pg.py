"""A private PostgreSQL: temporary directory, unix socket only, gone at the end.

Only the standard library and PostgreSQL's own programs.  initdb refuses to run as root, so root
hands the cluster to `postgres`, or to `nobody` where that account does not exist.
"""

import atexit
import glob
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from decimal import Decimal


class PostgresError(Exception):
    """What the server or psql said."""


def _find_bin():
    """The newest server's program directory: Debian keeps it off the PATH."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"),
                   key=lambda p: int(p.split("/")[4].split(".")[0]))
    if found:
        return os.path.dirname(found[-1])
    on_path = shutil.which("initdb")
    if on_path:
        return os.path.dirname(os.path.realpath(on_path))
    raise PostgresError("cannot find initdb: install the package postgresql")


def account():
    """(name, uid, gid) the cluster runs as."""
    if os.geteuid() != 0:
        me = pwd.getpwuid(os.geteuid())
        return me.pw_name, me.pw_uid, me.pw_gid
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
            return found.pw_name, found.pw_uid, found.pw_gid
        except KeyError:
            continue
    raise PostgresError("cannot run PostgreSQL as root and there is no account nobody")


def _literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, (dict, list)):
        value = json.dumps(value)
    text = str(value).replace("'", "''")
    return ("E'" + text.replace("\\", "\\\\") + "'") if "\\" in text else "'" + text + "'"


def children_of(pid):
    """Pids whose parent is pid, now."""
    found = []
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat) as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.split("/")[2]))
    return found


class Postgres:
    """One cluster.  superuser `aigate`, trust authentication inside a directory nobody else can enter."""

    USER = "aigate"

    def __init__(self, durable=False):
        self.bin = _find_bin()
        self.account, self.uid, self.gid = account()
        self.dir = tempfile.mkdtemp(prefix="ag-pg-", dir="/tmp")
        self.data = os.path.join(self.dir, "data")
        self.log_path = os.path.join(self.dir, "log")
        self.durable = durable
        self.process = None
        self._databases = 0
        atexit.register(self.remove)
        os.chmod(self.dir, 0o755)  # clients of other accounts reach the socket
        os.chown(self.dir, self.uid, self.gid)
        self._run([self._program("initdb"), "-D", self.data, "-U", self.USER, "-A", "trust",
                   "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"])

    # -- life ------------------------------------------------------------------------------

    def start(self, timeout=60):
        """Starts the server and waits until it answers."""
        assert self.process is None, "already running"
        settings = {
            "listen_addresses": "", "unix_socket_directories": self.dir,
            "max_connections": "60", "shared_buffers": "32MB", "log_min_messages": "warning",
            "timezone": "UTC",
        }
        if not self.durable:
            # synchronous_commit stays on: without it a kill -9 of the server loses commits that it
            # has confirmed, which no client could survive.
            settings.update(fsync="off", full_page_writes="off")
        command = [self._program("postgres"), "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + timeout
        while True:
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                                stderr=log, **self._as_account())
            while self.process.poll() is None and time.monotonic() < deadline:
                if self._answers():
                    return self
                time.sleep(0.02)
            if self.process.poll() is None:
                self.kill9()
                raise PostgresError("PostgreSQL did not answer in time:\n" + self.log_tail())
            self.process = None
            # Right after a kill -9 the old backends may still hold the segment for a moment.
            if time.monotonic() > deadline or "still in use" not in self.log_tail():
                raise PostgresError("PostgreSQL did not start:\n" + self.log_tail())
            time.sleep(0.1)

    def ensure_running(self):
        """Repairs what the previous test did to the server."""
        if self.process is not None and self.process.poll() is not None:
            self.process = None
        if self.process is None:
            self.start()
        return self

    def stop(self):
        """Fast shutdown: sessions are cut, everything is written."""
        self._end(signal.SIGINT)

    def stop_hard(self):
        """Immediate shutdown: as if it crashed, but nothing is left behind."""
        self._end(signal.SIGQUIT)

    def kill9(self):
        """kill -9 of the postmaster and of all its processes."""
        if self.process is None:
            return
        pids = [self.process.pid] + children_of(self.process.pid)
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        self.process = None

    def restart(self):
        """stop() and start()."""
        self.stop()
        return self.start()

    def freeze(self):
        """Every process of it stops answering without closing anything."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self):
        """The opposite of freeze()."""
        self._signal_all(signal.SIGCONT)

    def remove(self):
        """Stops it and deletes the directory."""
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            self.stop_hard()
        self.process = None
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- use -------------------------------------------------------------------------------

    def conninfo(self, database="postgres", user=USER):
        """As libpq takes it."""
        return f"host={self.dir} dbname={database} user={user}"

    def create_database(self, template=None):
        """A new database, empty or a copy of template; returns its name."""
        self._databases += 1
        name = f"aigate_{self._databases}"
        self.run(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return name

    def drop_database(self, name):
        """Cuts the sessions that are still there."""
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def rows(self, query, *params, database="postgres"):
        """A list of tuples with ints, Decimals, bools, None, str, lists and dicts.

        Each %s stands for a parameter.  For queries; see run() for the rest.
        """
        query = self._fill(query, params).strip().rstrip(";")
        text = self._psql("SELECT coalesce(json_agg(row_to_json(t)), '[]') FROM (\n" + query
                          + "\n) t", database)
        parsed = json.loads(text, parse_float=Decimal,
                            object_pairs_hook=lambda pairs: _Row(pairs))
        return [tuple(_plain(v) for _, v in row.pairs) for row in parsed]

    def sql(self, query, *params, database="postgres"):
        """The value, when the answer is one row of one column; else the rows."""
        if query.lstrip().split(None, 1)[0].lower() not in ("select", "with", "values", "table"):
            return self.run(query, *params, database=database)
        found = self.rows(query, *params, database=database)
        if len(found) == 1 and len(found[0]) == 1:
            return found[0][0]
        return found

    def run(self, statement, *params, database="postgres"):
        """A statement that is no query; returns psql's output."""
        return self._psql(self._fill(statement, params), database)

    def session(self, database="postgres"):
        """A psql that stays: .run(statements), .close(); for locks and open transactions."""
        return _Session([self._program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", self.conninfo(database)])

    def log_tail(self, n_bytes=4000):
        """The end of the server's log."""
        try:
            with open(self.log_path, "rb") as f:
                f.seek(max(0, os.path.getsize(self.log_path) - n_bytes))
                return f.read().decode(errors="replace")
        except OSError:
            return ""

    # -- inside ----------------------------------------------------------------------------

    def _program(self, name):
        return os.path.join(self.bin, name)

    def _as_account(self):
        if os.geteuid() != 0:
            return {"cwd": self.dir}
        return {"cwd": self.dir, "user": self.uid, "group": self.gid, "extra_groups": []}

    def _run(self, command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False, **self._as_account())
        if done.returncode != 0:
            raise PostgresError(done.stdout + done.stderr)

    def _answers(self):
        return subprocess.run([self._program("pg_isready"), "-q", "-h", self.dir],
                              check=False).returncode == 0

    def _end(self, sig):
        if self.process is None:
            return
        self.process.send_signal(sig)
        self.process.wait(timeout=60)
        self.process = None

    def _signal_all(self, sig):
        if self.process is None:
            return
        for pid in [self.process.pid] + children_of(self.process.pid):
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass

    @staticmethod
    def _fill(query, params):
        pieces = query.split("%s")
        if not params:
            return query
        assert len(pieces) == len(params) + 1, "as many parameters as %s"
        out = [pieces[0]]
        for value, piece in zip(params, pieces[1:]):
            out += [_literal(value), piece]
        return "".join(out)

    def _psql(self, text, database):
        done = subprocess.run(
            [self._program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-",
             self.conninfo(database)],
            input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PostgresError(f"{done.stderr.strip()}\nin: {text}")
        return done.stdout.rstrip("\n")


class _Session:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)

    def run(self, statements):
        """Returns when they are done; what they printed."""
        self.process.stdin.write(statements + "\n\\echo :done:\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line.strip() == ":done:":
                return lines
            lines.append(line.rstrip("\n"))
        raise PostgresError("\n".join(lines))

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


class _Row:
    """Keeps columns of the same name apart, as "SELECT sum(a), sum(b)" makes them."""

    def __init__(self, pairs):
        self.pairs = pairs


def _plain(value):
    if isinstance(value, _Row):
        return {k: _plain(v) for k, v in value.pairs}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value
