"""A webhook receiver for tests: fails, hangs or takes what comes, and remembers it.

    with Hook(secret) as hook:
        hook.answers = [500, 500]       # then 200
        hook.wait(1)[0]["kind"]
"""

import hashlib
import hmac
import http.server
import json
import threading
import time

import httpd
from gateway import wait


class Hook:
    """taken: bodies answered with 200, in order; attempts: all, as (status, body)."""

    def __init__(self, secret):
        self.secret = secret
        self.explain = lambda: ""     # what whoever sends knows of it, when something did not come
        self.answers = []             # statuses for the next requests; "hang" waits for release()
        self.taken, self.attempts, self.complaints = [], [], []
        self._go = threading.Event()
        self._lock = threading.Lock()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                hook._serve(self)

            def log_message(self, *_):
                pass
        self.server = httpd.Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alerts"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def _serve(self, request):
        body = request.rfile.read(int(request.headers["content-length"]))
        fault = self._fault(request.headers.get("x-aigate-signature", ""), body)
        with self._lock:
            if fault:
                self.complaints.append(fault)
            status = self.answers.pop(0) if self.answers else 200
            self.attempts.append((status, json.loads(body)))
        if status == "hang":
            self._go.wait(60)
            return                    # closed without an answer
        with self._lock:
            if status == 200:
                self.taken.append(json.loads(body))
        request.send_response(status)
        request.send_header("content-length", "0")
        request.end_headers()

    def _fault(self, signature, body):
        parts = dict(part.split("=", 1) for part in signature.split(",") if "=" in part)
        wanted = hmac.new(self.secret.encode(), f"{parts.get('t')}.".encode() + body,
                          hashlib.sha256).hexdigest()
        if parts.get("v1") != wanted:
            return f"signature {signature!r} does not fit"
        if abs(int(parts["t"]) - time.time()) > 60:
            return f"signature of another time: {signature!r}"
        return None

    def wait(self, n, timeout=20):
        """Until n were taken; returns them."""
        self._wait_for(self.taken, n, "alerts", timeout)
        return list(self.taken)

    def wait_attempts(self, n, timeout=20):
        self._wait_for(self.attempts, n, "attempts", timeout)
        return list(self.attempts)

    def _wait_for(self, came, n, what, timeout):
        try:
            wait(lambda: len(came) >= n, f"{n} {what}", timeout)
        except AssertionError as error:
            told = "".join(f"\n  {status} {body}" for status, body in list(self.attempts))
            raise AssertionError(f"{error}, {len(came)} came; attempts:{told}\n{self.explain()}") from None

    def release(self):
        self._go.set()

    def close(self):
        self.release()
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()
        if kind is None:
            assert not self.complaints, self.complaints
