"""An OpenTelemetry collector for tests: takes spans as JSON over HTTP, fails as it is told, remembers them.

    with Collector() as collector:
        collector.answers = [503, (429, {"retry-after": "1"}, ""), 200]    # then 200
        server, client = collector.trace(aigate__trace_id=trace_id)
"""

import http.server
import json
import re
import threading
import time

import httpd
from gateway import wait

KINDS = {2: "server", 3: "client"}


class Span:
    """One span: its ids, its kind by name, its attributes as Python values."""

    def __init__(self, raw, resource):
        assert re.fullmatch("[0-9a-f]{32}", raw["traceId"]) and re.fullmatch("[0-9a-f]{16}", raw["spanId"])
        assert re.fullmatch("(?:[0-9a-f]{16})?", raw.get("parentSpanId", ""))
        self.raw, self.resource = raw, resource
        self.trace, self.id, self.parent = raw["traceId"], raw["spanId"], raw.get("parentSpanId")
        self.kind, self.name = KINDS[raw["kind"]], raw["name"]
        self.start, self.end = int(raw["startTimeUnixNano"]), int(raw["endTimeUnixNano"])
        assert 0 < self.start <= self.end
        self.is_error = raw["status"].get("code") == 2
        names = [a["key"] for a in raw["attributes"]]
        assert len(names) == len(set(names)), f"twice: {names}"
        self.attributes = {a["key"]: _value(a["value"]) for a in raw["attributes"]}

    def __getitem__(self, name):
        return self.attributes[name]

    def get(self, name):
        return self.attributes.get(name)


def _value(value):
    ((kind, v),) = value.items()
    if kind == "intValue":
        assert isinstance(v, str), "64 bits are written as a string"
        return int(v)
    if kind == "arrayValue":
        return [_value(one) for one in v["values"]]
    assert kind in ("stringValue", "boolValue"), kind
    return v


class Collector:
    """spans: all that were taken; batches: spans a request; requests: (status, headers) of each."""

    def __init__(self, port=0, context=None):
        self.answers = []             # for the next requests: status, or (status, headers, body)
        self.spans, self.batches, self.requests, self.raw = [], [], [], b""
        self.times = []               # monotonic, of each request
        self._lock = threading.Lock()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                collector._serve(self)

            def log_message(self, *_):
                pass
        self.server = httpd.Server(("127.0.0.1", port), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def _serve(self, request):
        body = request.rfile.read(int(request.headers["content-length"]))
        with self._lock:
            answer = self.answers.pop(0) if self.answers else 200
            status, headers, text = answer if isinstance(answer, tuple) else (answer, {}, "{}")
            self.times.append(time.monotonic())
            self.requests.append((status, {k.lower(): v for k, v in request.headers.items()}, request.path))
            if status == 200:
                self._take(body)
        request.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            request.send_header(name, value)
        request.send_header("content-length", str(len(text)))
        request.end_headers()
        request.wfile.write(text.encode())

    def _take(self, body):
        self.raw += body
        batch = []
        for resource in json.loads(body)["resourceSpans"]:
            about = {a["key"]: _value(a["value"]) for a in resource["resource"]["attributes"]}
            for scope in resource["scopeSpans"]:
                batch += [Span(raw, about) for raw in scope["spans"]]
        assert batch, "an empty batch"
        self.spans += batch
        self.batches.append(batch)

    def wait(self, n, timeout=20):
        """Until n spans were taken; returns them."""
        wait(lambda: len(self.spans) >= n, f"{n} spans, {len(self.spans)} came", timeout)
        return list(self.spans)

    def wait_requests(self, n, timeout=20):
        wait(lambda: len(self.requests) >= n, f"{n} requests, {len(self.requests)} came", timeout)
        return list(self.requests)

    def trace(self, n=2, **attributes):
        """The n spans whose attributes (dots written __) are these, the server's first."""
        wanted = {k.replace("__", "."): v for k, v in attributes.items()}

        def found():
            hits = [s for s in self.spans if all(s.get(k) == v for k, v in wanted.items())]
            return hits if len(hits) >= n else None
        hits = wait(found, f"{n} spans with {wanted}")
        assert len(hits) == n, hits
        return sorted(hits, key=lambda s: (s.kind == "client", s.start))

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
