"""The provider simulator as the tests see it: start it, script it, read what it saw.

    with Mock.start() as provider:
        provider.script(match={"model": "gpt-4o"}, times=1, status=429, retry_after=1)
        ...
        provider.wait_stat("answered", 1)
        assert json.loads(provider.last()["body"])["model"] == "gpt-4o"

Standard library only.  See aigate-mock(1) for the keys and the counters.
"""

import http.client
import json
import os
import pathlib
import ssl
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def find_binary():
    """$AIGATE_MOCK, or what was built last in the usual places."""
    named = os.environ.get("AIGATE_MOCK")
    if named:
        return named
    places = [pathlib.Path.cwd(), ROOT / "build", ROOT]
    built = [p / "aigate-mock" for p in places if (p / "aigate-mock").is_file()]
    if not built:
        raise FileNotFoundError("aigate-mock is not built: set AIGATE_MOCK")
    return str(max(built, key=lambda p: p.stat().st_mtime))


class MockError(Exception):
    """The simulator refused a command, or did not do what was waited for."""


class Mock:
    """One running simulator.  Ends with stop(), with the `with` block, or with this process."""

    def __init__(self, process, port, tls_ca=None):
        self.process = process
        self.port = port
        self.tls_ca = tls_ca

    @classmethod
    def start(cls, binary=None, **opts):
        """Options of the command line, as tls_cert="...", fast=True, do="delay_ms=5"."""
        argv = [str(binary or find_binary()), "--watch-stdin"]
        for name, value in opts.items():
            if value is None or value is False:
                continue
            argv.append("--" + name.replace("_", "-"))
            if value is not True:
                argv.append(str(value))
        # Our end of its standard input closes when we die, however that happens.
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = process.stdout.readline().decode()
        if not line.startswith("listening on "):
            process.wait()
            raise MockError(f"{argv} did not start: exit {process.returncode}")
        return cls(process, int(line.rsplit(":", 1)[1]), opts.get("tls_cert"))

    @property
    def url(self):
        """To be completed by a path such as /v1/chat/completions."""
        return f"{'https' if self.tls_ca else 'http'}://127.0.0.1:{self.port}"

    def connect(self, timeout=30):
        """A connection of one's own; the certificate of a test is its own authority."""
        if not self.tls_ca:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        context = ssl.create_default_context(cafile=self.tls_ca)
        context.check_hostname = False
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)

    def _command(self, method, verb, body=None):
        conn = self.connect()
        try:
            conn.request(method, "/_mock/" + verb, None if body is None else json.dumps(body))
            answer = conn.getresponse()
            data = json.loads(answer.read())
        finally:
            conn.close()
        if answer.status != 200:
            raise MockError(f"{verb}: {data['error']}")
        return data

    def script(self, match=None, times=None, **do):
        """Adds a rule; the first that matches and has times left is used."""
        rule = {"do": do}
        if match is not None:
            rule["match"] = match
        if times is not None:
            rule["times"] = times
        self._command("POST", "script", rule)

    def clear(self):
        """Removes all rules."""
        self._command("DELETE", "script")

    def release(self, name=None):
        """Lets those go on that wait for name now (None: all); returns how many they were."""
        return self._command("POST", "release", {} if name is None else {"name": name})["released"]

    def stats(self):
        return self._command("GET", "stats")

    def log(self, since=0):
        """The requests that passed the checks, in the order of arrival."""
        return self._command("GET", f"log?since={since}")

    def last(self):
        """The last request as it arrived: head, body, body_bytes."""
        return self._command("GET", "last")

    def reset(self):
        """Zeroes counters, log and last request; rules stay."""
        self._command("POST", "reset")

    def wait_stat(self, name, value, timeout=10):
        """Until the counter is value, or value(counter) is true; returns the counters."""
        deadline = time.monotonic() + timeout
        while True:
            stats = self.stats()
            now = stats[name]
            if value(now) if callable(value) else now == value:
                return stats
            if time.monotonic() > deadline:
                raise MockError(f"{name} is {now} after {timeout} s, not {value}: {stats}")
            time.sleep(0.005)

    def stop(self):
        """Ends it; returns its exit status, 0 when all was well."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        status = self.stop()
        if kind is None and status != 0:
            raise MockError(f"the simulator ended with {status}")
