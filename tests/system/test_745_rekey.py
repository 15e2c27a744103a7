"""aigatectl vault rekey: credentials go under a new master key, whole or not at all."""

import os
import signal
import subprocess

import pytest

import gateway as gw

SECRET = "sk-upstream-secret"


def read(path):
    with open(path) as f:
        return f.read()


def key_path(gateway):
    return gateway.conf["master_key_file"]


def sealed_ids(gateway):
    """Which master keys the rows are under."""
    return {row[0] for row in gateway.rows(
        "SELECT encode(substring(sealed from 2 for 4), 'hex') FROM (SELECT sealed_key AS sealed"
        " FROM aigate.integration UNION ALL SELECT sealed_auth FROM aigate.secret_reference) s")}


def serves(gateway, mock, key):
    """A request reaches the provider with the credential as it was stored."""
    # Until control has loaded, workers have the catalogue of before, sealed under the key of before.
    gateway.expect_error("cannot use integration")
    gw.wait(lambda: gateway.chat(key).status == 200, "the credential is opened")
    assert f"Bearer {SECRET}\r\n" in mock.last()["head"]


@pytest.fixture
def stopped(gateway):
    """A gateway with two keys of providers and one of a vault; not running."""
    gateway.spent = gateway.key()
    gateway.admin("POST", "/integrations", {"name": "s", "slug": "second", "key": "sk-second-secret",
                                            "ai_provider_id": "openai"})
    gateway.admin("POST", "/secret-references", {
        "name": "r", "slug": "ref", "manager_type": "hashicorp_vault", "secret_path": "kv/data/x",
        "auth_config": {"vault_addr": "http://127.0.0.1:1", "vault_token": "hvs.vault-secret"}})
    gateway.wait_flushed()
    gateway.stop()
    return gateway


def test_all_credentials_go_under_a_new_key(stopped, mock):
    path = key_path(stopped)
    before, ids = read(path), sealed_ids(stopped)
    done = stopped.ctl("vault", "rekey")
    assert "3 credentials" in done.stderr
    assert read(path) != before == read(path + ".old") and not os.path.exists(path + ".new")
    assert len(sealed_ids(stopped)) == 1 and sealed_ids(stopped) != ids
    old, new = os.stat(path + ".old"), os.stat(path)
    assert (new.st_mode & 0o777, new.st_uid) == (0o600, old.st_uid)
    assert stopped.rows("SELECT action FROM aigate.audit_log ORDER BY id DESC LIMIT 1") == [("rekey",)]
    for secret in (before.strip(), read(path).strip(), SECRET, "hvs.vault-secret"):
        assert secret not in done.stdout + done.stderr
    stopped.start()
    serves(stopped, mock, stopped.spent)
    stopped.admin("PUT", "/secret-references/ref", {"name": "opened and sealed"})


def test_a_running_daemon_is_not_pulled_the_rug_from_under(gateway, mock):
    key = gateway.key()
    before = read(key_path(gateway))
    done = gateway.ctl("vault", "rekey", check=False)
    assert done.returncode == 1 and "stop it first" in done.stderr
    assert read(key_path(gateway)) == before and not os.path.exists(key_path(gateway) + ".new")
    assert gateway.chat(key).status == 200


def test_killed_before_its_commit_it_leaves_all_as_it_was(stopped, mock):
    path = key_path(stopped)
    before, ids = read(path), sealed_ids(stopped)
    blocker = subprocess.Popen([stopped.pg._program("psql"), "-XAtq", "-d",
                                stopped.pg.conninfo(stopped.database)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    print("BEGIN; LOCK TABLE aigate.integration IN ROW SHARE MODE; SELECT 'held';",
          file=blocker.stdin, flush=True)
    assert blocker.stdout.readline() == "held\n"
    child = subprocess.Popen([gw.program("aigatectl"), "-c", os.path.join(stopped.dir, "aigated.conf"),
                              "vault", "rekey"], env=gw.environment(), stderr=subprocess.DEVNULL)
    gw.wait(lambda: stopped.sql("SELECT count(*) FROM pg_locks WHERE NOT granted"), "it waits")
    child.send_signal(signal.SIGKILL)
    child.wait()
    blocker.communicate("ROLLBACK;\n")
    assert read(path) == before and sealed_ids(stopped) == ids
    waiting = read(path + ".new")
    stopped.start()
    serves(stopped, mock, stopped.spent)
    stopped.stop()
    stopped.ctl("vault", "rekey")
    assert read(path) == waiting, "the key that was made is used"
    stopped.start()
    serves(stopped, mock, stopped.spent)


def test_killed_behind_its_commit_it_is_finished_by_the_next_run(stopped, mock):
    path = key_path(stopped)
    before = read(path)
    stopped.ctl("vault", "rekey")
    ids = sealed_ids(stopped)
    # as a death between the commit and the rename leaves it
    os.rename(path, path + ".new")
    os.rename(path + ".old", path)
    assert read(path) == before
    done = stopped.ctl("vault", "rekey")
    assert "0 credentials sealed anew, 3 were already" in done.stderr
    assert sealed_ids(stopped) == ids and read(path + ".old") == before
    stopped.start()
    serves(stopped, mock, stopped.spent)


def test_a_credential_that_does_not_open_stops_it_all(stopped, mock):
    path = key_path(stopped)
    before = read(path)
    stopped.pg.run("UPDATE aigate.integration SET sealed_key = set_byte(sealed_key, 20,"
                   " get_byte(sealed_key, 20) # 1) WHERE slug = 'second'", database=stopped.database)
    ids = stopped.rows("SELECT sealed_key FROM aigate.integration ORDER BY id")
    done = stopped.ctl("vault", "rekey", check=False)
    assert done.returncode == 1 and "neither key" in done.stderr
    assert read(path) == before
    assert stopped.rows("SELECT sealed_key FROM aigate.integration ORDER BY id") == ids
    stopped.start()
    serves(stopped, mock, stopped.spent)
