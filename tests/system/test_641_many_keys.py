"""Very many keys: loaded from PostgreSQL in seconds, changed at once while four workers serve.

Some thousands by default; AIGATED_MANY_KEYS=1000000 for the promise itself."""

import hashlib
import os
import re
import threading

import pytest

from gateway import wait

KEYS = int(os.environ.get("AIGATED_MANY_KEYS", "20000"))
BUDGET = 10**9


def secret(n):
    return f"ag-many-{n:012d}"


@pytest.fixture(scope="module")
def many(pg_cluster):
    import gateway as gw
    from mock import Mock
    with Mock.start() as mock:
        one = gw.Gateway(pg_cluster, mock=mock, conf={
            "workers": "4", "max_keys": str(KEYS + 1000), "max_meters": str(2 * KEYS + 4096),
            "log_level": "debug"})
        workspace = one.default_workspace()
        one.pg.sql(
            "INSERT INTO aigate.api_key (organisation_id, workspace_id, kind, name, key_hash, key_mask,"
            " scopes, metadata, usage_limits) SELECT o.id, w.id, 'workspace-service', 'k' || n,"
            " sha256(convert_to('ag-many-' || lpad(n::text, 12, '0'), 'UTF8')), 'ag*****', '{completions.write}',"
            " '{\"team\": \"search\", \"n\": \"1\"}', '{\"credit_limit\": 1, \"type\": \"cost\"}'"
            " FROM generate_series(1, %s) n, aigate.workspace w JOIN aigate.organisation o"
            " ON o.id = w.organisation_id WHERE w.slug = %s",
            KEYS, workspace["slug"], database=one.database)
        one.pg.sql(
            "INSERT INTO aigate.meter (organisation_id, level, scope_id, kind, unit, limit_amount)"
            " SELECT organisation_id, 'key', id, 'budget', 'nusd', %s FROM aigate.api_key"
            " WHERE name LIKE 'k%%' AND key_mask = 'ag*****'", BUDGET, database=one.database)
        one.pg.sql("ANALYZE", database=one.database)
        one.stop()
        one.unlink_segment()
        one.start(wait_ready=False)
        one.wait_ready(120)
        yield one
        one.close()


def load_ms(gateway):
    found = re.findall(r"loaded (\d+) keys, .* in (\d+) ms", gateway.log)
    return [(int(n), int(ms)) for n, ms in found][-1]


def test_all_of_them_are_loaded(many):
    n, ms = load_ms(many)
    assert n >= KEYS
    print(f"{n} keys from PostgreSQL in {ms} ms; segment of"
          f" {many.stat()['segment']['bytes'] >> 20} MiB")
    assert hashlib.sha256(secret(1).encode()).hexdigest() == many.sql(
        "SELECT encode(key_hash, 'hex') FROM aigate.api_key WHERE name = 'k1'")
    for k in (1, KEYS // 2, KEYS):
        assert many.chat(secret(k)).status == 200
    assert many.chat(secret(KEYS + 1)).status == 401


def test_a_load_on_a_standing_segment_changes_nothing(many):
    before = len(re.findall("loaded .* keys", many.log))
    many.reload()
    wait(lambda: len(re.findall("loaded .* keys", many.log)) > before, "the load", 120)
    print(f"again: {load_ms(many)[1]} ms")
    assert many.chat(secret(KEYS)).status == 200


def test_keys_come_and_go_at_once_while_all_workers_serve(many):
    """Each created key works in its next request, each deleted one fails in its next, on whatever
    worker: while others are served all the time."""
    is_over, wrong, served = threading.Event(), [], [0]

    def serve(n):
        while not is_over.is_set():
            status = many.chat(secret(1 + (n + 13 * served[0]) % KEYS)).status
            served[0] += 1
            if status != 200:
                wrong.append(status)
    threads = [threading.Thread(target=serve, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(25):
            key = many.key(budget_usd="1")
            assert {many.chat(key).status for _ in range(4)} == {200}
            many.admin("DELETE", f"/api-keys/{key.id}")
            assert {many.chat(key).status for _ in range(4)} == {401}
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert wrong == [] and served[0] > 0
