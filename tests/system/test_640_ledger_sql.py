"""SQL as an interface: views that answer, comments that tell, rights that hold, prices that change."""

import os
import re
import subprocess

import pytest

import gateway as gw
from ledger import ledger  # noqa: F401

GROUPS = """from pg_class c where c.relnamespace = 'aigate'::regnamespace and not c.relispartition"""


def views(one):
    """Names of all views."""
    return [n for n, in one.pg.rows(f"select relname {GROUPS} and relkind = 'v' order by 1",
                                    database=one.database)]


@pytest.fixture
def filled(ledger):  # noqa: F811
    """A few thousand records, some of them bad."""
    ledger.start(rollup_metadata="user_email")
    ledger.feed(n=3000, fail=10)
    ledger.wait_stored()
    return ledger


def test_everything_has_a_comment(ledger):  # noqa: F811
    """Every table, view, column and function."""
    naked = ledger.pg.rows(f"""select c.relname {GROUPS} and c.relkind in ('r', 'p', 'v')
        and obj_description(c.oid, 'pg_class') is null""", database=ledger.database)
    assert naked == []
    naked = ledger.pg.rows("""select c.relname, a.attname from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'aigate'::regnamespace and not c.relispartition
            and c.relkind in ('r', 'p', 'v') and col_description(c.oid, a.attnum) is null
            and c.relname <> 'schema_migration'""", database=ledger.database)
    assert naked == []
    naked = ledger.pg.rows("""select p.proname from pg_proc p where p.pronamespace = 'aigate'::regnamespace
        and obj_description(p.oid, 'pg_proc') is null""", database=ledger.database)
    assert naked == []


def test_the_manual_names_every_view_and_column(ledger):  # noqa: F811
    """aigate-sql(7) against the database."""
    with open(os.path.join(gw.TOP, "man", "aigate-sql.7"), encoding="utf-8") as f:
        manual = f.read()
    for view in views(ledger):
        part = re.search(r"^\.Ss " + view + r"\n(.*?)(?=^\.S[sh] )", manual, re.M | re.S)
        assert part, f"{view} is not in the manual"
        listed = set(re.findall(r"^\.It Va (\S+)", part.group(1), re.M))
        there = {n for n, in ledger.pg.rows("""select attname from pg_attribute where attnum > 0
            and attrelid = %s::regclass""", "aigate." + view, database=ledger.database)}
        assert listed == there, view


def test_operators_read_every_view_and_no_secret(filled):
    """psql as a member of aigate_ops."""
    filled.pg.run("create role ops_user login")
    filled.pg.run("grant aigate_ops to ops_user")

    def ask(query):
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", query,
                               filled.pg.conninfo(filled.database, "ops_user")],
                              capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else done.stderr
    try:
        for view in views(filled):
            answer = ask(f"select count(*) from aigate.{view}")
            assert answer.strip().isdigit(), f"{view}: {answer}"
        for query in ("select key_hash from aigate.api_key", "select sealed_key from aigate.integration",
                      "delete from aigate.ledger", "insert into aigate.usage_hour default values",
                      "select aigate.drop_partition('x')", "select aigate.make_partition(now(), 'day')",
                      "create table aigate.mine (a int)"):
            assert "permission denied" in ask(query), query
    finally:
        filled.pg.run(f'reassign owned by ops_user to {filled.pg.USER}')
        filled.pg.run("drop role ops_user")


def test_the_views_agree_with_the_ledger(filled):
    """The same sums, whichever way they are asked for."""
    want = filled.pg.rows("""select sum(cost_nusd) / 1000000000::numeric, count(*) from aigate.ledger""",
                          database=filled.database)[0]
    for view in ("v_spend_by_day", "v_spend_by_hour", "v_spend_by_key", "v_spend_by_workspace",
                 "v_spend_by_model", "v_spend_by_tier", "v_spend_by_provider", "v_spend_by_metadata",
                 "v_usage_by_hour", "v_model_share", "v_customer", "v_top_customer", "v_new_customer"):
        got = filled.pg.rows(f"select sum(cost_usd), sum(requests) from aigate.{view}",
                             database=filled.database)[0]
        assert got == want, view
    assert filled.sql("select sum(cost_usd) from aigate.v_attempt") == want[0]
    assert filled.sql("select sum(attempts) from aigate.v_errors") == 300
    assert filled.sql("select sum(errors_5xx) from aigate.v_error_rate") == 300
    assert filled.sql("select sum(unknown_attempts) from aigate.v_leakage") == 300
    assert filled.sql("select count(*) from aigate.v_unknown_usage") == 300
    assert filled.sql("select api_keys from aigate.v_spend_by_tier where tier = 'pro'") == 50
    assert filled.sql("select count(*) from aigate.v_silent_customer") == 0
    assert filled.sql("select sum(attempts) from aigate.v_latency_last_hour") == 2700
    assert filled.sql("select sum(attempts) from aigate.v_latency_by_day") == 2700
    assert filled.sql("select sum(requests) from aigate.v_peak_hour") == 3000
    missing, quarantined, streams = filled.pg.rows(
        "select missing, quarantined, streams from aigate.v_ledger_health", database=filled.database)[0]
    assert (missing, quarantined, streams) == (0, 0, 2)


def test_inserts_ask_nobody_to_summarize(ledger):  # noqa: F811
    """Partitions made by migrations and later: summaries are vacuum's, which comes for what is new."""
    assert ledger.sql("select aigate.make_partition(now() - interval '300 days', 'month')")
    assert ledger.sql("select aigate.make_partition(now() - interval '600 days', 'day')")
    found = ledger.pg.rows("""select p.relname,
            coalesce(i.reloptions, '{}') && array['autosummarize=on', 'autosummarize=true'],
            p.reloptions @> array['autovacuum_vacuum_insert_scale_factor=0',
                'autovacuum_vacuum_insert_threshold=200000'],
            (select count(*) from pg_index x join pg_class c on c.oid = x.indexrelid join pg_am m on m.oid = c.relam
                where x.indrelid = p.oid and m.amname = 'brin')
        from pg_inherits h join pg_class i on i.oid = h.inhrelid join pg_index n on n.indexrelid = i.oid
            join pg_class p on p.oid = n.indrelid
        where h.inhparent = 'aigate.ledger_stream_ix'::regclass""", database=ledger.database)
    assert len(found) == ledger.sql("select count(*) from aigate.ledger_partitions()") >= 6
    assert [f for f in found if tuple(f[1:]) != (False, True, 1)] == []


def test_histogram_buckets_lie_side_by_side(ledger):  # noqa: F811
    """latency_bucket_us() is where the flusher's buckets begin."""
    edges = [v for v, in ledger.pg.rows("select aigate.latency_bucket_us(b) from generate_series(0, 200) b "
                                        "order by b", database=ledger.database)]
    assert edges[:12] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14] and edges == sorted(set(edges))
    assert all(b <= a * 1.25 + 1 for a, b in zip(edges[8:], edges[9:]))


def test_a_budget_tells_when_it_will_be_used_up(gateway):
    """Used, left and pace, in the period that shared memory counts in; for every kind of period."""
    keys = [gateway.key(budget_usd="0.01", period=p) for p in (None, "monthly", "weekly")]
    for key in keys:
        assert gateway.chat(key).status == 200
    gateway.wait_flushed()
    rows = gateway.rows("""select n.period = b.period, n.used = b.used and n.used > 0, n.burn_per_hour > 0,
            n.exhausted_at > now(), n.period_starts_at <= now() and n.period_ends_at > now()
        from aigate.v_budget_now n join aigate.v_budget b using (meter_id) where n.level = 'key'
        order by n.meter_id""")
    assert rows == [(True, True, True, True, None), (True, True, True, True, True),
                    (True, True, True, True, True)]


def test_an_integration_may_multiply_list_prices(gateway):
    """A discount of the contract: what is held, charged and recorded is the list price times it."""
    key = gateway.key(budget_usd="1")
    assert gateway.chat(key).status == 200
    gateway.wait_flushed()
    full, = gateway.rows("select cost_nusd, price_ppm, held_nusd from aigate.ledger")
    assert full[1] is None
    for bad in ("0", "-1", "x", "1000.1", "0.0000001"):
        assert gateway.admin_ask("PUT", "/integrations/mock",
                                 {"configurations": {"price_multiplier": bad}}).status == 400
    conf = gateway.sql("select configurations from aigate.integration where slug = 'mock'")
    gateway.admin("PUT", "/integrations/mock", {"configurations": {**conf, "price_multiplier": "0.5"}})
    assert gateway.chat(key).status == 200
    gateway.wait_flushed()
    half, = gateway.rows("select cost_nusd, price_ppm, held_nusd from aigate.ledger "
                         "where price_ppm is not null")
    model = gateway.sql("select max(requested_model) from aigate.ledger").rpartition("/")[2]
    assert gateway.get(f"/v1/limits?model=@mock/{model}", key).status == 200
    assert half[1] == 500000
    assert half[0] == (full[0] + 1) // 2 and half[2] == (full[2] + 1) // 2


def test_adjusted_prices_are_the_same_multiple(gateway):
    """pricing_adjustments as the API has them; one way of saying it at a time."""
    key = gateway.key(budget_usd="1")
    for adjustments in ({"multiplier": {"default": 1.25, "request_token": 1.25, "image": {}}}, None):
        gateway.admin("PUT", "/integrations/mock", {"pricing_adjustments": adjustments})
        assert gateway.admin("GET", "/integrations/mock")["pricing_adjustments"] == adjustments
        gateway.admin("PUT", "/integrations/mock", {"name": "still"})
        assert gateway.chat(key).status == 200
    gateway.wait_flushed()
    dear, plain = gateway.rows("select cost_nusd, price_ppm from aigate.ledger order by price_ppm nulls last")
    assert (dear[1], plain[1]) == (1250000, None) and dear[0] == -(-plain[0] * 5 // 4)
    conf = gateway.sql("select configurations from aigate.integration where slug = 'mock'")
    gateway.admin("PUT", "/integrations/mock", {"pricing_adjustments": {"multiplier": {"default": "0.5"}}})
    no = gateway.admin_ask("PUT", "/integrations/mock", {"configurations": {**conf, "price_multiplier": "2"}})
    assert no.status == 400 and "exclude" in no.message
    gateway.admin("PUT", "/integrations/mock", {"configurations": conf})
    assert gateway.chat(key).status == 200
    gateway.wait_flushed()
    assert gateway.sql("select count(*) from aigate.ledger where price_ppm = 500000") == 1


def reprice(gateway, *args, check=True):
    """aigatectl reprice over everything."""
    return gateway.ctl("reprice", "--from", "2020-01-01", "--to", "2100-01-01", *args, check=check)


def test_repricing_writes_differences_and_no_history(gateway):
    """A price entered too late: adjustments, once; a second run finds nothing."""
    key = gateway.key(budget_usd="1")
    for _ in range(3):
        assert gateway.chat(key).status == 200
    gateway.wait_flushed()
    model = gateway.sql("select max(served_model) from aigate.ledger")
    before = gateway.rows("select cost_nusd, price_id from aigate.ledger order by seq, worker")
    assert "3 rows, 0 would be adjusted" in reprice(gateway, "--model", model, "--dry-run").stdout
    gateway.sql("""insert into aigate.price (family, model, mode, effective_from, in_pusd, cached_in_pusd,
            out_pusd, source)
        select family, model, mode, now() - interval '1 hour', 2 * in_pusd, 2 * cached_in_pusd,
            2 * out_pusd, 'hand'
        from aigate.price where id = (select max(price_id) from aigate.ledger)""")
    assert "3 would be adjusted" in reprice(gateway, "--model", model, "--dry-run").stdout
    assert gateway.sql("select count(*) from aigate.ledger_adjustment") == 0
    assert reprice(gateway, "--model", model, check=False).returncode == 2  # no reason given
    assert "3 adjusted" in reprice(gateway, "--model", model, "--reason", "price came late").stdout
    assert "0 adjusted" in reprice(gateway, "--model", model, "--reason", "again").stdout
    assert gateway.rows("select cost_nusd, price_id from aigate.ledger order by seq, worker") == before
    assert gateway.sql("select sum(delta_nusd) from aigate.ledger_adjustment") == sum(c for c, _ in before)
    got, = gateway.rows("select attempts, delta_usd * 1000000000, reason from aigate.v_adjustment")
    assert got == (3, sum(c for c, _ in before), "price came late")
