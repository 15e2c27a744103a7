"""A real aigated in a private directory, and the sentences tests are written in.

    key = gateway.key(budget_usd="0.010", rpm=100)
    answer = gateway.chat(key, "hi", max_tokens=900)
    gateway.wait_counter("req_denied_budget", 1)

Programs are found through AIGATED_BUILD: the build directory, by default ./build or the top
directory.
"""

import glob
import itertools
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from decimal import Decimal

import wire

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MODEL = "gpt-4o-mini"
_numbers = itertools.count(1)


def build_dir():
    """Where the programs under test are."""
    chosen = os.environ.get("AIGATED_BUILD")
    if chosen:
        return os.path.abspath(chosen)
    for place in (os.path.join(TOP, "build"), TOP):
        if os.path.exists(os.path.join(place, "aigatectl")):
            return place
    raise RuntimeError("cannot find aigated: build it, or set AIGATED_BUILD")


def program(name):
    return os.path.join(build_dir(), name)


def gateway_user():
    """The account aigated runs as: never root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    return pwd.getpwnam("nobody")


def chat_body(text="hi", model="@mock/" + MODEL, **fields):
    """The body of a chat completion."""
    messages = fields.pop("messages", None) or [{"role": "user", "content": text}]
    return {"model": model, "messages": messages, **fields}


def wait(claim, what, timeout=20):
    """Until claim() is true; returns what it returned.  The only way to wait in this suite."""
    deadline = time.monotonic() + timeout
    while True:
        found = claim()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain: {what}")
        time.sleep(0.01)


def is_sanitized():
    """Whether the programs under test were built with AddressSanitizer."""
    with open(program("aigated"), "rb") as f:
        return b"__asan_init" in f.read()


def environment():
    """For the programs under test: SQL and data files of this tree, diagnostics to stderr."""
    env = dict(os.environ, AIGATE_SHARE_DIR=TOP)
    env.setdefault("ASAN_OPTIONS", "abort_on_error=0:detect_leaks=1")
    env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
    return env


class Key(str):
    """A customer's key: the secret itself, and what the gateway said about it."""

    id = None
    workspace = None


class Gateway:
    """One aigated with a database of its own in a cluster that may be shared."""

    def __init__(self, pg, mock=None, conf=None, database=None, trust=None, start=True):
        self.pg, self.mock = pg, mock
        self.number = next(_numbers)
        self.dir = tempfile.mkdtemp(prefix="ag-gw-", dir="/tmp")
        self.account = gateway_user()
        self.shm_name = f"/aigated-test-{os.getpid()}-{self.number}"
        self.database = database or _migrated_database(pg)
        self.admin_key = None
        self.process = None
        self._session = None
        self._expected = []
        self._names = itertools.count(1)
        self._workspaces, self._ready_grants = {}, {}
        self._log_checked_to = 0
        self.conf = {
            "listen": ["127.0.0.1:0"], "user": self.account.pw_name, "workers": "2",
            "run_dir": self._path("run"), "log_file": self._path("log"), "log_level": "info",
            "database": pg.conninfo(self.database),
            "master_key_file": self._path("master.key"), "journal_dir": self._path("journal"),
            "export_dir": self._path("exports"), "journal_sync": "20ms", "flush_interval": "10ms", "shm_name": self.shm_name,
            "max_keys": "1024", "max_meters": "4096", "max_inflight": "256", "ring_size": "1m",
            "shutdown_timeout": "10s",
            "trusted_hosts": trust or "127.0.0.1",
            # The simulator is no project with a tier of its own: tests count in standard prices.
            "assumed_service_tier": "standard",
        }
        self.conf.update(conf or {})
        self._prepare()
        if start:
            self.start()

    # -- life ------------------------------------------------------------------------------

    def configure(self, **changes):
        """Changes directives (None takes one out) and writes the file; see reload()."""
        self.conf.update(changes)
        self._write_conf()

    def start(self, wait_ready=True):
        """Starts the master in the foreground and waits until requests are served."""
        assert self.process is None, "already running"
        if self.admin_key is None:
            self.admin_key = _bootstrapped_key(self)
        for stale in ("ports",):
            if os.path.exists(self._path("run", stale)):
                os.unlink(self._path("run", stale))
        with open(self._path("stderr"), "ab") as err:
            self.process = subprocess.Popen(
                [program("aigated"), "-f", "-c", self._path("aigated.conf")],
                stdin=subprocess.DEVNULL, stdout=err, stderr=err, env=environment(),
                cwd=self.dir, start_new_session=True)
        self._session = self.process.pid
        if wait_ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=30):
        """Until /readyz says so."""
        def is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"aigated left with status {self.process.returncode}\n"
                                     + self.last_words())
            try:
                return self.ports() and self.get("/readyz").status == 200
            except (OSError, wire.WireError):
                return False
        try:
            wait(is_ready, "the gateway to be ready", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.last_words()}") from None

    def stop(self, sig=signal.SIGTERM, timeout=40):
        """Orderly; fails when the processes do not leave."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError("aigated did not leave in time\n" + self.last_words()) from None
        self.process = None
        wait(lambda: not self._members(), "the children to leave", timeout)

    def restart(self):
        """Stop and start on the same segment, journal and database."""
        self.stop()
        return self.start()

    def reload(self):
        """SIGHUP to the master."""
        self.process.send_signal(signal.SIGHUP)

    def kill_all(self):
        """kill -9 of the master and everything it started, as a power cut would."""
        for pid in self._members():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process is not None:
            self.process.wait()
            self.process = None
        wait(lambda: not self._members(), "killed processes to vanish")

    def close(self, failed=False):
        """Stops, checks the log, unlinks the segment; keeps the directory of a failed test."""
        complaints = []
        try:
            if self.process is not None and self.process.poll() is not None:
                complaints.append(f"aigated had left with status {self.process.returncode}")
            self.stop()
        except AssertionError as error:
            complaints.append(str(error))
        finally:
            self.kill_all()
            self.unlink_segment()
        complaints += self.unexpected_errors()
        if failed or complaints:
            print(f"\nkept {self.dir} (database {self.database})\n" + self.last_words())
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
            if self.pg.process is not None:
                self.pg.drop_database(self.database)
        assert not complaints or failed, "\n".join(complaints)

    def unlink_segment(self):
        """As a reboot does."""
        if os.path.exists("/dev/shm" + self.shm_name):
            os.unlink("/dev/shm" + self.shm_name)

    # -- processes -------------------------------------------------------------------------

    def pids(self, role):
        """{index: pid} of the living processes of a role: master, control, flusher, worker."""
        found = {}
        for pid in self._members():
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    title = f.read().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            match = re.match(r"aigated: (\w+)(?: (\d+))?", title)
            if match and match.group(1) == role:
                found[int(match.group(2) or 0)] = pid
        return found

    def kill9(self, role, index=0):
        """kill -9 of one process; returns its pid."""
        if role == "master":
            pid = self.process.pid
            os.kill(pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            return pid
        pid = wait(lambda: self.pids(role).get(index), f"{role} {index} to be there")
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_new(self, role, index, old_pid):
        """Until the process has a successor; returns its pid."""
        def successor():
            pid = self.pids(role).get(index)
            return pid if pid not in (None, old_pid) else None
        return wait(successor, f"a successor of {role} {index}")

    # -- requests --------------------------------------------------------------------------

    def ports(self):
        """[(address, port, is_tls)] as bound."""
        try:
            with open(self._path("run", "ports")) as f:
                text = f.read()
        except OSError:
            return []
        lines = [line.split() for line in text.splitlines()]
        return [(ip, int(port), how == "tls") for ip, port, how in lines if how != "metrics"]

    @property
    def metrics_address(self):
        """(host, port) of the listener for Prometheus."""
        with open(self._path("run", "ports")) as f:
            lines = [line.split() for line in f.read().splitlines()]
        return next((ip, int(port)) for ip, port, how in lines if how == "metrics")

    @property
    def address(self):
        """(host, port) of the first plain listener."""
        return next((h, p) for h, p, is_tls in self.ports() if not is_tls)

    @property
    def url(self):
        """Base URL as SDKs take it."""
        host, port = self.address
        return f"http://{host}:{port}/v1"

    def connect(self, timeout=30):
        """A bare connection."""
        return wire.Connection(self.address, timeout)

    def ask(self, method, path, headers=None, body=None, timeout=30):
        return wire.ask(self.address, method, path, headers, body, timeout)

    def get(self, path, key=None, headers=None):
        return self.ask("GET", path, {**_auth(key), **(headers or {})})

    def post(self, key, body, path="/v1/chat/completions", headers=None, timeout=60):
        """One request on a connection of its own."""
        return self.ask("POST", path, {**_auth(key), **(headers or {})}, body, timeout)

    def post_async(self, key, body, path="/v1/chat/completions", headers=None, timeout=120):
        """The same in the background; .answer() waits for it."""
        return wire.Pending(lambda: self.post(key, body, path, headers, timeout))

    def chat(self, key, text="hi", headers=None, **fields):
        """One chat completion, not streamed."""
        return self.post(key, chat_body(text, **fields), headers=headers)

    def chat_async(self, key, text="hi", headers=None, **fields):
        return self.post_async(key, chat_body(text, **fields), headers=headers)

    def stream(self, key, text="hi", headers=None, path="/v1/chat/completions", timeout=60,
               **fields):
        """A streamed chat completion whose head has come."""
        connection = self.connect(timeout)
        connection.request("POST", path, {**_auth(key), **(headers or {})},
                           chat_body(text, stream=True, **fields))
        return wire.Stream(connection)

    # -- administration --------------------------------------------------------------------

    def admin_ask(self, method, path, body=None, key=None):
        """An admin call; the Answer, whatever its status."""
        if not path.startswith("/v1/"):
            path = "/v1" + path
        return self.ask(method, path, {"x-portkey-api-key": key or self.admin_key}, body)

    def admin(self, method, path, body=None, key=None):
        """An admin call that must work; the parsed body."""
        answer = self.admin_ask(method, path, body, key)
        assert answer.status == 200, f"{method} {path}: {answer!r}"
        return answer.json

    def workspace(self, name=None, **fields):
        """A new workspace, provisioned with the mock when there is one; returns the object."""
        name = name or f"workspace {next(self._names)}"
        made = self.admin("POST", "/admin/workspaces", {"name": name, **fields})
        self._workspaces[made["slug"]] = made
        if self.mock is not None:
            self.grant(self.integration(), made)
        return made

    def default_workspace(self):
        """The workspace keys land in unless the test says otherwise."""
        if "" not in self._workspaces:
            self._workspaces[""] = self.workspace("tests")
        return self._workspaces[""]

    def integration(self, mock=None, slug="mock", family="openai", key="sk-upstream-secret",
                    **fields):
        """Slug of an integration that leads to the mock; made when it is not there yet."""
        mock = mock or self.mock
        if slug not in self._ready_grants:
            self.admin("POST", "/integrations", {
                "name": slug, "slug": slug, "ai_provider_id": family, "key": key,
                "configurations": {"custom_host": mock_url(mock),
                                   **fields.pop("configurations", {})},
                **fields})
            self._ready_grants[slug] = True
        return slug

    def grant(self, integration, workspace, usage_limits=None, rate_limits=None, **fields):
        """Provisions an integration to a workspace."""
        return self.admin("PUT", f"/integrations/{integration}/workspaces", {"workspaces": [{
            "id": workspace["slug"] if isinstance(workspace, dict) else workspace,
            "enabled": True, "usage_limits": usage_limits, "rate_limits": rate_limits,
            **fields}]})

    def key(self, budget_usd=None, budget_tokens=None, period=None, alert=None, rpm=None, rps=None,
            tpm=None, workspace=None, scopes=("completions.write",), metadata=None, name=None,
            **fields):
        """A new workspace service key."""
        workspace = workspace or self.default_workspace()
        body = {"name": name or f"key {next(self._names)}", "scopes": list(scopes),
                "workspace_id": workspace["slug"] if isinstance(workspace, dict) else workspace}
        limits = usage_limits(budget_usd, budget_tokens, period, alert)
        if limits:
            body["usage_limits"] = limits
        rates = [{"type": kind, "unit": unit, "value": value}
                 for kind, unit, value in (("requests", "rpm", rpm), ("requests", "rps", rps),
                                           ("tokens", "rpm", tpm)) if value is not None]
        if rates:
            body["rate_limits"] = rates
        if metadata is not None:
            body["defaults"] = {"metadata": metadata}
        body.update(fields)
        made = self.admin("POST", "/api-keys/workspace/service", body)
        key = Key(made["key"])
        key.id, key.workspace = made["id"], workspace
        return key

    def key_object(self, key):
        """What the admin API says about a key."""
        return self.admin("GET", f"/api-keys/{key.id}")

    # -- what is going on inside -----------------------------------------------------------

    def stat(self, *arguments):
        """aigatestat's JSON."""
        done = subprocess.run([program("aigatestat"), "-s", self.shm_name, "--json", *arguments],
                              capture_output=True, text=True, check=False, env=environment())
        assert done.returncode == 0, f"aigatestat: {done.stderr}"
        return json.loads(done.stdout)

    def counters(self):
        """{name: sum over all processes}"""
        return self.stat()["counters"]

    def counter(self, name):
        return self.counters()[name]

    def wait_counter(self, name, value, timeout=20):
        """Until the counter stands at value or above; fails at once when it never can."""
        def reached():
            return self.counter(name) >= value
        try:
            wait(reached, f"{name} to reach {value}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; it stands at {self.counter(name)}") from None
        return self.counter(name)

    def meters(self):
        """Budgets and rate limits as they stand in shared memory."""
        return self.stat()["meters"]

    def slots(self):
        """Requests in flight, with what they hold."""
        return self.stat()["inflight"]

    def wait_idle(self):
        """Until no request is in flight."""
        wait(lambda: not self.slots(), "requests in flight to end")

    def wait_flushed(self, timeout=30):
        """Until every record made so far is in PostgreSQL."""
        self.wait_idle()

        def is_flushed():
            return all(r["stored_seq"] >= r["last_seq"] for r in self.stat()["rings"])
        wait(is_flushed, "the ledger to catch up", timeout)

    def sql(self, query, *params):
        """See Postgres.sql(); in this gateway's database, schema aigate in the path."""
        return self.pg.sql(query, *params, database=self.database)

    def rows(self, query, *params):
        return self.pg.rows(query, *params, database=self.database)

    def ctl(self, *arguments, check=True):
        """aigatectl with this gateway's configuration; returns the finished process."""
        return ctl("-c", self._path("aigated.conf"), *arguments, check=check)

    # -- the log ---------------------------------------------------------------------------

    @property
    def log(self):
        """All lines of the log, and what the processes wrote to stderr."""
        text = ""
        for name in ("log", "stderr"):
            try:
                with open(self._path(name), errors="replace") as f:
                    text += f.read()
            except OSError:
                pass
        return text

    def wait_log(self, pattern, timeout=20):
        """Until a line matches; returns the match."""
        return wait(lambda: re.search(pattern, self.log, re.M), f"log line {pattern!r}", timeout)

    def expect_error(self, pattern):
        """Declares that `error:` lines matching the pattern are part of the test."""
        self._expected.append(re.compile(pattern))

    def unexpected_errors(self):
        """Lines nobody declared: errors, assertions, sanitizer reports."""
        bad = re.compile(r" error: |ERROR: \w+Sanitizer|runtime error:|[Aa]ssertion .* failed|"
                         r"last words")
        return [line for line in self.log.splitlines()
                if bad.search(line) and not any(e.search(line) for e in self._expected)]

    def last_words(self, n=60):
        """The end of the log, for a failure's message."""
        return f"--- log of {self.dir}\n" + "\n".join(self.log.splitlines()[-n:])

    # -- inside ----------------------------------------------------------------------------

    def _path(self, *parts):
        return os.path.join(self.dir, *parts)

    def _prepare(self):
        os.chmod(self.dir, 0o755)
        for name in ("run", "journal"):
            os.mkdir(self._path(name), 0o700)
        with open(self._path("master.key"), "w") as f:
            f.write(os.urandom(32).hex() + "\n")
        os.chmod(self._path("master.key"), 0o600)
        self._write_conf()
        if os.geteuid() == 0:
            for path in [self.dir] + glob.glob(self._path("*")):
                os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def _write_conf(self):
        lines = []
        for name, value in self.conf.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                if one is None:
                    continue
                one = str(one)
                if name != "listen" and (not one or re.search(r"[\s#\"\\]", one)):
                    one = '"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"'
                lines.append(f"{name} {one}\n")
        with open(self._path("aigated.conf"), "w") as f:
            f.writelines(lines)

    def _members(self):
        """Living pids of the session the master was started in."""
        if self._session is None:
            return []
        found = []
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(stat) as f:
                    state, _, _, session = f.read().rsplit(")", 1)[1].split()[:4]
            except (OSError, ValueError):
                continue
            if int(session) == self._session and state != "Z":
                found.append(int(stat.split("/")[2]))
        return found


def _auth(key):
    return {"authorization": f"Bearer {key}"} if key else {}


def mock_url(mock):
    """What custom_host is for a mock provider: the object of mock.py, or an URL."""
    return mock if isinstance(mock, str) else mock.url + "/v1"


def usage_limits(budget_usd=None, budget_tokens=None, period=None, alert=None):
    """UsageLimits of the admin API; None when there is no budget."""
    if budget_usd is None and budget_tokens is None:
        return None
    limit = budget_usd if budget_usd is not None else budget_tokens
    limits = {"type": "cost" if budget_usd is not None else "tokens",
              "credit_limit": json.loads(str(Decimal(str(limit)))),
              "periodic_reset": period, "alert_threshold": alert}
    return {k: v for k, v in limits.items() if v is not None}


def ctl(*arguments, check=True):
    """aigatectl; returns the finished process."""
    done = subprocess.run([program("aigatectl"), *arguments], capture_output=True, text=True,
                          check=False, env=environment())
    if check:
        assert done.returncode == 0, f"aigatectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done


def _migrated_database(pg):
    """A database with the schema and the prices; made once a cluster, then copied."""
    if getattr(pg, "template", None) is None:
        name = pg.create_database()
        ctl("--database", pg.conninfo(name), "db", "migrate")
        pg.template = name
    return pg.create_database(template=pg.template)


def _bootstrapped_key(gateway):
    """The first admin key of a new organisation."""
    done = ctl("--database", gateway.pg.conninfo(gateway.database), "-o", "json", "bootstrap",
               "--organisation", "Acme")
    return json.loads(done.stdout)["key"]
