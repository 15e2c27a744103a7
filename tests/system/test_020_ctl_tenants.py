"""aigatectl through a running daemon: what it makes works at once."""

import json
import os

import gateway as gw


def fields(done):
    """Lines of "name  value" as a dict."""
    return dict(line.split(None, 1) for line in done.stdout.splitlines() if len(line.split()) > 1)


def test_from_nothing_to_a_governed_request(gateway, mock, tmp_path):
    (tmp_path / "upstream.key").write_text("sk-upstream\n")
    gateway.ctl("workspace", "create", "Shop", "--slug", "shop", "--budget", "500",
                "--period", "monthly")
    gateway.ctl("integration", "create", "sim", "--family", "openai", "--key-file",
                str(tmp_path / "upstream.key"), "--custom-host", mock.url + "/v1")
    gateway.ctl("integration", "grant", "sim", "--workspace", "shop")
    made = fields(gateway.ctl("key", "create", "ada", "--workspace", "shop", "--budget", "0.5",
                              "--rpm", "2", "--alert", "0.4", "--metadata", "user_email=a@b.example"))
    answers = [gateway.chat(made["key"], model="@sim/gpt-4o-mini").status for _ in range(3)]
    assert answers == [200, 200, 429]
    shown = json.loads(gateway.ctl("-o", "json", "key", "show", made["id"]).stdout)
    assert shown["usage_limits"]["credit_limit"] == 0.5
    assert shown["rate_limits"] == [{"type": "requests", "unit": "rpm", "value": 2}]
    assert shown["defaults"]["metadata"] == {"user_email": "a@b.example"}
    gateway.wait_flushed()
    used = json.loads(gateway.ctl("-o", "json", "usage", "--by", "key").stdout)
    assert [(u["workspace"], u["api_key"], u["requests"]) for u in used] == [("shop", "ada", 2)]


def test_a_revoked_key_fails_the_next_request(gateway):
    key = gateway.key()
    assert gateway.chat(key).status == 200
    gateway.ctl("key", "revoke", key.id)
    assert gateway.chat(key).status == 401


def test_a_withdrawn_grant_fails_the_next_request(gateway):
    key = gateway.key()
    assert gateway.chat(key).status == 200
    gateway.ctl("integration", "grant", "mock", "--workspace", key.workspace["slug"], "--revoke")
    assert gateway.chat(key).status >= 400


def test_a_disabled_model_fails_the_next_request(gateway):
    key = gateway.key()
    gateway.ctl("integration", "models", "mock", "--disable", "gpt-4o-mini")
    assert gateway.chat(key).status == 412
    gateway.ctl("integration", "models", "mock", "--enable", "gpt-4o-mini", "--only-listed")
    assert gateway.chat(key).status == 200
    assert gateway.chat(key, model="@mock/gpt-4o").status == 412


def test_secrets_are_not_shown(gateway):
    key = gateway.key()
    for args in (["key", "list"], ["key", "show", key.id], ["integration", "show", "mock"],
                 ["-o", "json", "integration", "show", "mock"]):
        out = gateway.ctl(*args).stdout
        assert key not in out and "sk-upstream-secret" not in out


def test_bootstrap_beside_a_running_daemon_is_taken_over(gateway):
    made = json.loads(gateway.ctl("-o", "json", "bootstrap", "--organisation", "Acme",
                                  "--new-key").stdout)
    assert gateway.admin("GET", "/admin/workspaces", key=made["key"])["object"] == "list"


def test_a_second_organisation_must_be_named(gateway):
    gateway.default_workspace()
    gateway.ctl("bootstrap", "--organisation", "Other")
    done = gateway.ctl("workspace", "list", check=False)
    assert done.returncode == 1 and "organisation" in done.stderr
    mine = gateway.ctl("--organisation", "acme", "-o", "json", "workspace", "list").stdout
    assert json.loads(mine)["total"] >= 1
    other = gateway.ctl("--organisation", "other", "-o", "json", "workspace", "list").stdout
    assert json.loads(other)["total"] == 0


def test_imported_prices_count_at_once(gateway, mock, tmp_path):
    key = gateway.key(budget_usd="1")
    assert gateway.chat(key, max_tokens=5).status == 200
    with open(os.path.join(gw.TOP, "data", "prices.tsv")) as shipped:
        text = shipped.read()
    path = tmp_path / "prices.tsv"
    lines = [line.replace("\t0.15\t0.075\t", "\t0.075\t0.075\t").replace("\t0.6\t", "\t0.3\t")
             if line.startswith("openai\tgpt-4o-mini\tchat") else line
             for line in text.replace("# version: 2", "# version: 3").splitlines()]
    path.write_text("\n".join(lines) + "\n")
    done = gateway.ctl("prices", "import", str(path), check=False)
    assert done.returncode == 0, done.stderr
    assert gateway.chat(key, max_tokens=5).status == 200
    gateway.wait_flushed()
    first, second = gateway.rows("SELECT cost_nusd FROM aigate.ledger ORDER BY received_at")
    first, second = first[0], second[0]
    assert 2 * second == first > 0


def test_status_tells_that_all_is_well(gateway):
    found = json.loads(gateway.ctl("-o", "json", "status").stdout)
    assert found["daemon"]["why_not"] is None and found["database"]["organisations"] == 1


def test_a_key_is_rotated_and_its_former_secret_forgotten(gateway):
    key = gateway.key(budget_usd="1")
    done = gateway.ctl("-o", "json", "key", "rotate", key.id, "--transition-minutes", "45")
    made = json.loads(done.stdout)
    assert made["id"] == key.id and made["key_transition_expires_at"]
    assert [gateway.chat(k).status for k in (key, made["key"])] == [200, 200]
    assert gateway.ctl("key", "rotate", key.id, check=False).returncode == 1
    gateway.ctl("key", "rotate", key.id, "--forget")
    assert [gateway.chat(k).status for k in (key, made["key"])] == [401, 200]
    for words in ([], [key.id, "--transition-minutes", "soon"]):
        assert gateway.ctl("key", "rotate", *words, check=False).returncode == 2


def test_persons_come_change_and_go(gateway):
    workspace = gateway.default_workspace()
    gateway.configure(public_url="https://ai.example.com")
    gateway.reload()

    def invited():
        done = gateway.ctl("-o", "json", "user", "invite", "ada@example.com", "--workspace",
                           f"{workspace['slug']}:manager", check=False)
        if done.returncode == 0 and '"https://' not in done.stdout:
            gateway.sql("DELETE FROM aigate.invite")  # not reloaded yet
            return None
        return json.loads(done.stdout)
    link = gw.wait(invited, "the new configuration is in force")["invite_link"]
    before, _, token = link.partition("#")
    assert before == "https://ai.example.com/v1/invites/accept"
    ada = gateway.ask("POST", "/v1/invites/accept", {"content-type": "application/json"},
                      {"token": token}).json
    assert "ada@example.com" in gateway.ctl("user", "list").stdout
    gateway.ctl("user", "role", ada["id"], "admin")
    found = json.loads(gateway.ctl("-o", "json", "user", "list").stdout)["data"]
    assert [(u["email"], u["role"]) for u in found] == [("ada@example.com", "admin")]
    members = gateway.admin("GET", f"/admin/workspaces/{workspace['slug']}/users")["data"]
    assert [m["role"] for m in members] == ["manager"]
    gateway.ctl("user", "remove", ada["id"])
    assert json.loads(gateway.ctl("-o", "json", "user", "list").stdout)["total"] == 0
    assert gateway.ctl("user", "remove", ada["id"], check=False).returncode == 1
