"""aigatectl: every noun by the members the API names; forms of output; completion."""

import json
import shutil
import subprocess

import pytest
import yaml

import gateway as gw
import people


def test_a_noun_is_made_shown_changed_and_deleted(gateway):
    gateway.default_workspace()
    made = json.loads(gateway.ctl("-o", "json", "config", "create", "--workspace",
                                  gateway.default_workspace()["slug"], "--set", "name=calm", "--set",
                                  "config.override_params.temperature=0").stdout)
    assert made["slug"].startswith("pc-")
    assert "calm" in gateway.ctl("config", "list").stdout
    gateway.ctl("config", "update", "calm", "--set", 'config={"override_params":{"temperature":1}}')
    shown = yaml.safe_load(gateway.ctl("-o", "yaml", "config", "show", "calm").stdout)
    assert json.loads(shown["config"]) == {"override_params": {"temperature": 1}}
    gateway.ctl("config", "delete", "calm")
    assert gateway.ctl("config", "show", made["slug"], check=False).returncode == 1


def test_a_policy_and_a_rate_policy(gateway, tmp_path):
    (tmp_path / "p.yaml").write_text("""
name: each key
type: cost
credit_limit: 2.5
conditions: [{key: api_key, value: "*"}]
group_by: [{key: api_key}]
""")
    slug = gateway.default_workspace()["slug"]
    gateway.ctl("policy", "create", "--workspace", slug, "--file", str(tmp_path / "p.yaml"))
    gateway.ctl("policy", "update", "each key", "--set", "credit_limit=3")
    assert gateway.admin("GET", "/policies/usage-limits")["data"][0]["credit_limit"] == 3
    assert json.loads(gateway.ctl("-o", "json", "rate-policy", "list").stdout)["total"] == 0
    gateway.ctl("policy", "delete", "each key")


def test_models_members_and_the_organisation(gateway):
    slug = gateway.default_workspace()["slug"]
    gateway.ctl("model", "update", "gpt-4o", "--integration", "mock", "--set", "enabled=false")
    assert "gpt-4o" in gateway.ctl("model", "list", "--integration", "mock").stdout
    person = people.user(gateway, "ada@example.com")
    assert person
    users = json.loads(gateway.ctl("-o", "json", "user", "list").stdout)["data"]
    gateway.ctl("member", "create", "--workspace", slug, "--set", "id=" + users[0]["id"])
    gateway.ctl("member", "update", "ada@example.com", "--workspace", slug, "--set", "role=manager")
    assert "manager" in gateway.ctl("member", "list", "--workspace", slug).stdout
    gateway.ctl("org", "update", "--set", "saved_only=true")
    assert yaml.safe_load(gateway.ctl("-o", "yaml", "org", "show").stdout)["saved_only"] is True


def test_what_a_workspace_demands_is_set_shown_exported_and_applied(gateway, tmp_path):
    slug = gateway.default_workspace()["slug"]
    assert "settings" not in gateway.ctl("export").stdout
    gateway.ctl("workspace", "update", slug, "--set", "security_settings.membersViewLogs=false", "--set",
                "security_settings.membersWriteConfigs=true", "--set", "settings.user_api_key_ttl=7", "--set",
                "settings.user_api_key_count=2", "--set", 'settings.user_key_metadata={"team":"a"}')
    shown = gateway.ctl("workspace", "show", slug).stdout
    assert "membersViewLogs off, membersWriteConfigs on" in shown
    assert '7 days, 2 a person, carry {"team":"a"}' in shown
    done = gateway.ctl("workspace", "update", slug, "--set", "security_settings.nobodyViewsLogs=false", check=False)
    assert done.returncode != 0 and "security_settings.nobodyViewsLogs" in done.stderr

    text = gateway.ctl("export").stdout
    one = next(w for w in yaml.safe_load(text)["workspaces"] if w["slug"] == slug)
    assert one["security_settings"] == {"membersViewLogs": False, "membersWriteConfigs": True}
    assert one["settings"] == {"user_api_key_ttl": 7, "user_api_key_count": 2, "user_key_metadata": {"team": "a"}}
    # Nothing to do; then what was changed by hand is put back, and what the file does not name stays.
    path = tmp_path / "all.yaml"
    path.write_text(text)
    assert gateway.ctl("apply", "-f", str(path), "--dry-run").returncode == 0
    gateway.admin("PUT", f"/admin/workspaces/{slug}", {
        "security_settings": {"membersViewLogs": True, "managersViewLogs": False},
        "settings": {"user_key_metadata": {"team": "a", "more": "b"}, "user_key_metadata_override": 0}})
    told = gateway.ctl("apply", "-f", str(path), "--dry-run", check=False)
    assert told.returncode == 5
    assert "security_settings.membersViewLogs" in told.stdout and "settings.user_key_metadata" in told.stdout
    assert "managersViewLogs" not in told.stdout
    gateway.ctl("apply", "-f", str(path), "--yes")
    now = gateway.admin("GET", f"/admin/workspaces/{slug}")
    assert (now["security_settings"]["membersViewLogs"], now["security_settings"]["managersViewLogs"]) == (False, False)
    assert now["settings"]["user_key_metadata"] == {"team": "a"} and now["settings"]["user_key_metadata_override"] == 0


def test_a_secret_does_not_go_on_the_command_line(gateway, tmp_path, monkeypatch):
    done = gateway.ctl("integration", "update", "mock", "--set", "key=sk-seen-by-all", check=False)
    assert done.returncode == 2 and "secret" in done.stderr
    gateway.default_workspace()
    monkeypatch.setenv("FRESH", "sk-fresh-from-outside")
    (tmp_path / "i.yaml").write_text("key: {env: FRESH}\n")
    gateway.ctl("integration", "update", "mock", "--file", str(tmp_path / "i.yaml"))
    assert gateway.admin("GET", "/integrations/mock")["masked_key"] == "sk*****ide"


@pytest.mark.parametrize("arguments, words", [
    (["config", "show"], "which config"), (["model", "list"], "of which integration"),
    (["provider", "list"], "of which workspace"), (["config", "create"], "--set"),
    (["config", "create", "--set", "name"], "member=value"), (["config", "frobnicate"], "unknown command"),
    (["workspace", "list", "-o", "xml"], "table, json or yaml"),
])
def test_what_makes_no_sense_is_said(gateway, arguments, words):
    done = gateway.ctl(*arguments, check=False)
    assert done.returncode == 2 and words in done.stderr and done.stdout == ""


def test_tables_json_and_yaml_say_the_same(gateway):
    gateway.key(name='odd: "name" # \u00e9 - yes')
    for command in (["key", "list"], ["workspace", "list"], ["integration", "list"], ["usage"], ["status"],
                    ["prices", "list", "--model", "gpt-4o-mini"], ["db", "status"]):
        as_json = json.loads(gateway.ctl("-o", "json", *command).stdout)
        assert yaml.safe_load(gateway.ctl("-o", "yaml", *command).stdout) == as_json, command


def completes(shell_line):
    """Candidates bash offers for the last word."""
    script = gw.ctl("completion", "bash").stdout
    words = shell_line.split(" ")
    quoted = " ".join(f"'{w}'" for w in words)
    script += (f"\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _aigatectl; "
               "printf '%s\\n' \"${COMPREPLY[@]}\"\n")
    done = subprocess.run(["bash", "--norc"], input=script, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_bash_completes_commands_verbs_options_and_values():
    assert {"workspace", "config", "apply", "audit"} <= completes("aigatectl ")
    assert completes("aigatectl wor") == {"workspace"}
    assert {"list", "show", "create", "update", "delete"} <= completes("aigatectl guardrail ")
    assert {"create", "rotate", "revoke"} <= completes("aigatectl -o json key ")
    assert {"--dry-run", "--prune", "--yes"} <= completes("aigatectl apply --")
    assert completes("aigatectl config update x --s") == {"--set", "--socket", "--share-dir"}
    assert completes("aigatectl -o ") == {"table", "json", "yaml"}


def test_zsh_takes_the_script():
    script = gw.ctl("completion", "zsh").stdout
    assert script.startswith("#compdef aigatectl\n")
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n"], input=script, text=True, check=True)


def test_persons_and_keys_are_called_by_their_names(gateway):
    people.user(gateway, "ada@example.com")
    gateway.ctl("user", "role", "ada@example.com", "admin")
    assert json.loads(gateway.ctl("-o", "json", "user", "show", "ada@example.com").stdout)["role"] == "admin"
    gateway.ctl("user", "remove", "ada@example.com")
    assert json.loads(gateway.ctl("-o", "json", "user", "list").stdout)["total"] == 0
    slug = gateway.default_workspace()["slug"]
    gateway.ctl("key", "create", "tv", "--workspace", slug)
    assert json.loads(gateway.ctl("-o", "json", "key", "show", "tv").stdout)["name"] == "tv"
    gateway.ctl("key", "revoke", "tv")
    assert gateway.ctl("key", "show", "tv", check=False).returncode == 1


def test_an_organisation_is_meant_by_name_or_slug(gateway):
    gateway.ctl("bootstrap", "--organisation", "Ümlaut & Söhne")
    gateway.ctl("workspace", "create", "Shop", "--slug", "shop", "--organisation", "Ümlaut & Söhne")
    for name, n in (("Ümlaut & Söhne", 1), ("Acme", 0), ("acme", 0)):
        assert json.loads(gateway.ctl("-o", "json", "workspace", "list", "--organisation", name).stdout)["total"] == n
    for name in ("Nobody", "a\x01b", "x" * 300):
        done = gateway.ctl("workspace", "list", "--organisation", name, check=False)
        assert done.returncode == 1 and "not found" in done.stderr, name


def test_the_audit_log_tells_what_was_changed(gateway):
    gateway.ctl("workspace", "create", "Shop", "--slug", "shop")
    listed = gateway.ctl("audit", "list", "--where", "start_time=2020-01-01T00:00:00Z", "--where",
                         "end_time=2100-01-01T00:00:00Z").stdout
    assert "create" in listed and "workspace" in listed


def test_a_key_by_timetable_and_its_secret(gateway, tmp_path):
    key = gateway.key()
    gateway.ctl("key", "update", key.id, "--set", 'rotation_policy={"rotation_period": "weekly"}')
    shown = json.loads(gateway.ctl("-o", "json", "key", "get", key.id).stdout)
    assert shown["rotation_policy"]["rotation_period"] == "weekly"
    assert gateway.ctl("key", "rotate", key.id, "--fetch", check=False).returncode == 1
    assert gateway.ctl("key", "rotate", key.id, "--fetch", "--forget", check=False).returncode == 2
    gateway.sql("UPDATE aigate.api_key SET next_rotation_at = now() WHERE next_rotation_at IS NOT NULL")
    gw.wait(lambda: gateway.key_object(key)["new_secret_waiting"], "the key to be rotated")
    told = json.loads(gateway.ctl("-o", "json", "key", "rotate", key.id, "--fetch").stdout)
    assert gateway.chat(told["key"]).status == 200 and told["key"] != key
    # In a file it is what stands, whatever the date.
    text = gateway.ctl("export").stdout
    assert "rotation_period: weekly" in text and "next_rotation_at" not in text
    (tmp_path / "all.yaml").write_text(text)
    done = gateway.ctl("apply", "-f", str(tmp_path / "all.yaml"))
    assert "nothing to do" in done.stdout
