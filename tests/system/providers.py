"""What tests of translation share: a gateway with some providers, all of them the mock, used by a whole module."""

import contextlib
import json
import pathlib

import openai
from gateway import Gateway
from mock import Mock

FIXTURES = pathlib.Path(__file__).resolve().parents[1] / "data" / "fixtures"


class Providers:
    """The gateway of a module; each test begins with no script, no counts and an empty ledger."""

    def __init__(self, gateway):
        self.gateway = gateway

    def __getattr__(self, name):
        return getattr(self.gateway, name)

    def begin(self):
        self.mock.clear()
        self.wait_idle()
        self.gateway.wait_flushed()
        self.mock.reset()
        self.gateway.sql("DELETE FROM aigate.ledger")

    def records(self, columns):
        """Of this test's requests, in order."""
        self.gateway.wait_flushed()
        return self.rows(f"SELECT {columns} FROM aigate.ledger ORDER BY received_at")

    def client(self, key):
        return openai.OpenAI(api_key=str(key), base_url=self.gateway.url, max_retries=0)


@contextlib.contextmanager
def providers_of(pg_cluster, **families):
    """Providers by their slugs: claude="anthropic"."""
    with Mock.start() as provider:
        gateway = Gateway(pg_cluster, mock=provider)
        workspace = gateway.default_workspace()
        for slug, family in families.items():
            gateway.grant(gateway.integration(slug=slug, family=family), workspace)
        yield Providers(gateway)
        gateway.close()


def serve(mock, name, status=200, **match):
    """The provider's next answer is that transcript."""
    kind = "text/event-stream" if name.endswith(".sse") else "application/json"
    mock.script(match=match or None, times=1, body_file=str(FIXTURES / name), content_type=kind, status=status)


def expect(name):
    return json.loads((FIXTURES / f"{name}.expect.json").read_text())


def last_body(mock):
    return json.loads(mock.last()["body"])
