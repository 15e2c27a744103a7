"""The access log of a gateway, as lines that parse."""

import json
import os

from gateway import wait


class AccessLog:
    """entries(): all lines of the file; each must be whole and JSON."""

    def __init__(self, path):
        self.path = path

    def entries(self, path=None):
        try:
            with open(path or self.path, "rb") as f:
                text = f.read()
        except FileNotFoundError:
            return []
        assert not text or text.endswith(b"\n"), "a line is not whole"
        return [json.loads(line) for line in text.split(b"\n")[:-1]]

    def wait(self, n=1, **fields):
        """Until n entries have these fields; returns them."""
        def found():
            hits = [e for e in self.entries() if all(e.get(k) == v for k, v in fields.items())]
            return hits if len(hits) >= n else None
        hits = wait(found, f"{n} lines with {fields}")
        assert len(hits) == n, hits
        return hits

    def one(self, **fields):
        return self.wait(1, **fields)[0]


def logged(gateway_factory, **conf):
    """(gateway, log): a gateway with an access log."""
    gateway = gateway_factory(start=False)
    log = AccessLog(os.path.join(gateway.dir, "access.log"))
    gateway.configure(access_log=log.path, **conf)
    gateway.start()
    return gateway, log
