"""aigatectl beside a daemon: schema, prices, first organisation."""

import hashlib
import json
import os
import shutil
import subprocess

import pytest

import gateway as gw


@pytest.fixture
def database(pg):
    """An empty database: (conninfo, query function)."""
    name = pg.create_database()
    yield pg.conninfo(name), lambda query, *params: pg.sql(query, *params, database=name)
    pg.drop_database(name)


@pytest.fixture
def ctl(database):
    """aigatectl on the empty database."""
    return lambda *args, check=True: gw.ctl("--database", database[0], *args, check=check)


@pytest.fixture
def share(tmp_path):
    """A copy of SQL and data files that may be changed."""
    for name in ("sql", "data"):
        shutil.copytree(os.path.join(gw.TOP, name), tmp_path / name)
    return tmp_path


def test_migrate_applies_each_file_once(ctl, database):
    ctl("db", "migrate")
    again = ctl("db", "migrate")
    assert "applied" not in again.stdout
    files = sorted(f for f in os.listdir(os.path.join(gw.TOP, "sql", "migrations"))
                   if f.endswith(".sql"))
    recorded = database[1]("SELECT json_agg(name ORDER BY version) FROM aigate.schema_migration")
    assert recorded == files


def test_a_dry_run_changes_nothing(ctl, database):
    assert "would apply 0001" in ctl("db", "migrate", "--dry-run").stdout
    assert database[1]("SELECT to_regnamespace('aigate') IS NULL") is True


def test_an_edited_migration_is_refused_by_name(ctl, share):
    ctl("--share-dir", str(share), "db", "migrate")
    first = sorted((share / "sql" / "migrations").glob("*.sql"))[0]
    first.write_text(first.read_text() + "\n-- afterthought\n")
    done = ctl("--share-dir", str(share), "db", "migrate", check=False)
    assert done.returncode == 4
    assert first.name in done.stderr and "edited" in done.stderr


def test_a_migration_that_fails_leaves_nothing_and_names_its_line(ctl, share, database):
    (share / "sql" / "migrations" / "0990_bad.sql").write_text(
        "create table aigate.half (a int);\ncreate table aigate.other (\n a nonsense);\n")
    done = ctl("--share-dir", str(share), "db", "migrate", check=False)
    assert done.returncode == 1
    assert "0990_bad.sql:3:" in done.stderr
    assert database[1]("SELECT to_regclass('aigate.half') IS NULL") is True
    assert database[1]("SELECT count(*) FROM aigate.schema_migration WHERE version = 990") == 0


def test_a_database_from_a_newer_release_is_left_alone(ctl, share):
    extra = share / "sql" / "migrations" / "0990_later.sql"
    extra.write_text("create table aigate.later (a int);\n")
    ctl("--share-dir", str(share), "db", "migrate")
    done = ctl("db", "migrate", check=False)
    assert done.returncode == 4 and "0990_later.sql" in done.stderr


def test_two_migrations_at_once_do_the_work_once(database):
    running = [subprocess.Popen(
        [gw.program("aigatectl"), "--database", database[0], "db", "migrate"],
        env=gw.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)]
    outputs = [p.communicate()[0] for p in running]
    assert [p.returncode for p in running] == [0, 0, 0]
    assert sum("applied 0001" in text for text in outputs) == 1


def test_bootstrap_stores_a_hash_and_shows_the_key_once(ctl, database):
    ctl("db", "migrate")
    made = json.loads(ctl("-o", "json", "bootstrap", "--organisation", "Acme Inc.").stdout)
    assert made["organisation"] == "acme-inc"
    stored = database[1]("SELECT encode(key_hash, 'hex') FROM aigate.api_key")
    assert stored == hashlib.sha256(made["key"].encode()).hexdigest()
    assert database[1]("SELECT count(*) FROM aigate.api_key k WHERE k::text LIKE %s",
                       f"%{made['key']}%") == 0
    scopes = database[1]("SELECT to_json(scopes) FROM aigate.api_key")
    assert "workspaces.create" in scopes and "completions.write" not in scopes


def test_bootstrap_does_not_repeat_an_organisation(ctl, database):
    ctl("db", "migrate")
    ctl("bootstrap", "--organisation", "Acme")
    assert ctl("bootstrap", "--organisation", "Acme", check=False).returncode == 1
    ctl("bootstrap", "--organisation", "Acme", "--new-key")
    assert database[1]("SELECT count(*) FROM aigate.organisation") == 1
    assert database[1]("SELECT count(*) FROM aigate.api_key") == 2


def test_the_shipped_prices_are_clean(ctl):
    assert "0 mistakes" in ctl("prices", "lint").stdout


@pytest.mark.parametrize("edit, complaint", [
    (("\t0.15\t0.075\t", "\t0.15\t0.75\t"), "rule cached_in"),
    (("\tgpt-4o-mini\tchat\t", "\tgpt-4o-mini\tchatter\t"), "unknown mode"),
    (("\t0.15\t0.075\t", "\t0.15x\t0.075\t"), "not a number"),
    (("\t0.15\t0.075\t", "\t0.1500001\t0.075\t"), "finer than"),
])
def test_a_price_file_with_a_mistake_is_refused_whole(ctl, database, share, edit, complaint):
    ctl("db", "migrate")
    path = share / "data" / "prices.tsv"
    text = path.read_text().replace("# version: 2", "# version: 3")
    assert edit[0] in text
    path.write_text(text.replace(*edit))
    done = ctl("prices", "import", str(path), check=False)
    assert done.returncode == 4 and complaint in done.stderr
    assert database[1]("SELECT count(*) FROM aigate.price WHERE source > 'prices.tsv 3'") == 0


def test_a_waived_rule_is_not_complained_about(ctl, share):
    path = share / "data" / "prices.tsv"
    header = next(line for line in path.read_text().splitlines() if not line.startswith("#"))
    row = dict.fromkeys(header.split("\t"), "")
    row.update({"family": "openai", "model": "odd", "mode": "chat", "in": "1", "cached_in": "2",
                "out": "3", "waived": "cached_in"})
    path.write_text("# version: 2026-01-01\n" + header + "\n" + "\t".join(row.values()) + "\n")
    assert ctl("prices", "lint", str(path)).returncode == 0


def test_a_changed_price_becomes_a_new_row_from_now_on(ctl, database, share):
    ctl("db", "migrate")
    path = share / "data" / "prices.tsv"
    lines = path.read_text().replace("# version: 2", "# version: 3").splitlines()
    changed = [line.replace("\t0.15\t0.075\t", "\t0.14\t0.075\t", 1)
               if line.startswith("openai\tgpt-4o-mini\t") else line for line in lines]
    assert changed != lines
    path.write_text("\n".join(changed) + "\n")
    assert ", 1 new" in ctl("prices", "import", str(path)).stdout
    assert ", 0 new" in ctl("prices", "import", str(path)).stdout
    found = database[1]("SELECT in_pusd, effective_from = '-infinity' FROM aigate.price"
                        " WHERE family = 'openai' AND model = 'gpt-4o-mini' ORDER BY id")
    assert found == [(150000, True), (140000, False)]


def test_a_diff_tells_what_an_import_would_change_and_changes_nothing(ctl, database, share):
    ctl("db", "migrate")
    assert ctl("prices", "diff").stdout.count("\n") == 1  # the titles
    path = share / "data" / "prices.tsv"
    lines = path.read_text().replace("# version: 2", "# version: 3").splitlines()
    path.write_text("\n".join(
        line.replace("\t0.15\t0.075\t", "\t0.14\t0.075\t", 1)
        if line.startswith("openai\tgpt-4o-mini\t") else line for line in lines) + "\n")
    before = database[1]("SELECT count(*) FROM aigate.price")
    told = json.loads(ctl("-o", "json", "prices", "diff", str(path)).stdout)
    assert [(d["model"], d["what"], d["figure"], d["standing"], d["file"]) for d in told] == [
        ("gpt-4o-mini", "changed", "in_pusd", "150000", "140000")]
    assert database[1]("SELECT count(*) FROM aigate.price") == before


def test_prices_entered_by_hand_stay(ctl, database, share):
    ctl("db", "migrate")
    database[1]("INSERT INTO aigate.price (family, model, mode, effective_from, in_pusd, source)"
                " VALUES ('openai', 'gpt-4o-mini', 'chat', '2026-01-01', 7, 'by hand')")
    path = share / "data" / "prices.tsv"
    path.write_text(path.read_text().replace("# version: 2", "# version: 3")
                    .replace("\t0.15\t0.075\t", "\t0.14\t0.075\t"))
    ctl("prices", "import", str(path))
    assert database[1]("SELECT in_pusd FROM aigate.price WHERE family = 'openai' AND"
                       " model = 'gpt-4o-mini' ORDER BY effective_from DESC LIMIT 1") == 7


def test_prices_are_exact(ctl, database):
    ctl("db", "migrate")
    assert database[1]("SELECT in_pusd, cached_in_pusd, out_pusd FROM aigate.price WHERE"
                       " family = 'openai' AND model = 'gpt-4o-mini'") == [(150000, 75000, 600000)]
    assert database[1]("SELECT unit_pusd FROM aigate.price WHERE family = 'openai' AND"
                       " model = 'whisper-1'") == 100000000  # 0.0001 dollars a second


def test_reports_of_an_empty_ledger_are_empty(ctl):
    ctl("db", "migrate")
    for by in ("day", "key", "workspace", "model", "tier"):
        assert json.loads(ctl("-o", "json", "usage", "--by", by).stdout) == []


@pytest.mark.parametrize("args, status", [
    (["nonsense"], 2), (["db", "migrate", "--bogus"], 2), (["usage", "--by", "moon"], 2),
    (["workspace", "create"], 2), (["key", "list", "--socket", "/nonexistent"], 3),
    (["--database", "host=/nonexistent", "db", "status"], 3),
    (["-c", "/nonexistent", "key", "list"], 4),
])
def test_exit_statuses_tell_whose_fault_it_is(args, status):
    done = gw.ctl(*args, check=False)
    assert done.returncode == status, done.stderr
    assert done.stderr.startswith("aigatectl: ") and done.stdout == ""
