"""aigatectl apply and export: a file becomes what stands; a second time there is nothing to do."""

import concurrent.futures
import json
import os

import pytest
import yaml

import gateway as gw
import people

EXAMPLE = os.path.join(gw.TOP, "etc", "tenants.example.yaml")
NOTHING, DIFFERS = 0, 5


@pytest.fixture
def apply(gateway, tmp_path, monkeypatch):
    """apply(text or tree, *options): runs aigatectl apply; returns the finished process."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-secret-of-ours")

    def run(what, *options, check=True, name="tenants.yaml"):
        path = tmp_path / name
        if name.endswith(".json"):
            path.write_text(json.dumps(what))
        else:
            path.write_text(what if isinstance(what, str) else yaml.safe_dump(what, sort_keys=False))
        return gateway.ctl("apply", "-f", str(path), *options, check=check)
    return run


@pytest.fixture
def example(mock):
    """The example, leading to the simulator."""
    with open(EXAMPLE) as f:
        tree = yaml.safe_load(f)
    tree["integrations"][0]["configurations"] = {"custom_host": mock.url + "/v1"}
    return tree


def report(done):
    return json.loads(done.stdout)


def actions(done):
    return [(c["action"], c["what"]) for c in report(done)["changes"]]


def says_nothing_to_do(done):
    assert done.returncode == NOTHING and "nothing to do" in done.stdout, done.stdout + done.stderr


def test_the_three_plans_of_the_example_stand_and_work(gateway, apply, example):
    done = apply(example, "-o", "json")
    keys = {k["name"]: k["key"] for k in report(done)["keys"]}
    assert sorted(keys) == ["globex", "hooli", "initech"]
    grants = gateway.admin("GET", "/integrations/openai/workspaces")["workspaces"]
    told = {g["id"]: (g["usage_limits"][0]["credit_limit"], g["usage_limits"][0]["alert_threshold"],
                      g["rate_limits"]) for g in grants}
    assert told == {
        name: (budget, alert, [{"type": "requests", "unit": "rpm", "value": rpm}])
        for name, budget, rpm, alert in (("enterprise", 500, 1000, 400), ("professional", 100, 100, 80),
                                         ("starter", 25, 10, 20))}
    assert gateway.chat(keys["globex"], model="@openai/gpt-4o").status == 200
    assert gateway.chat(keys["hooli"], model="@openai/gpt-4o-mini").status == 200
    assert gateway.chat(keys["hooli"], model="@openai/gpt-4o").status == 446
    says_nothing_to_do(apply(example))


def test_a_dry_run_tells_and_changes_nothing(gateway, apply, example):
    done = apply(example, "--dry-run", check=False)
    assert done.returncode == DIFFERS
    assert "+ workspace starter" in done.stdout and "+ grant openai -> starter" in done.stdout
    assert "sk-openai" not in done.stdout + done.stderr
    assert gateway.admin("GET", "/admin/workspaces")["total"] == 0
    apply(example)
    assert apply(example, "--dry-run", check=False).returncode == NOTHING


def test_only_what_differs_is_changed_and_told(gateway, apply, example):
    apply(example)
    example["integrations"][0]["workspaces"][2]["usage_limits"][0]["credit_limit"] = 30.0
    example["keys"][0]["defaults"]["metadata"]["team"] = "blue"
    example["workspaces"][1]["name"] = "Pro"
    done = apply(example)
    assert "~ grant openai -> starter" in done.stdout and "~ workspace professional" in done.stdout
    assert 'name: "Professional" -> "Pro"' in done.stdout and "defaults.metadata" in done.stdout
    assert "0 to create, 3 to change, 0 to delete" in done.stdout
    says_nothing_to_do(apply(example))
    assert gateway.admin("GET", "/admin/workspaces/professional")["name"] == "Pro"


def test_what_the_file_does_not_say_is_left_alone(gateway, apply, example):
    apply(example)
    gateway.admin("PUT", "/admin/workspaces/starter", {"description": "by hand"})
    says_nothing_to_do(apply(example))
    assert gateway.admin("GET", "/admin/workspaces/starter")["description"] == "by hand"


def test_spend_is_no_difference(gateway, apply, example):
    keys = {k["name"]: k["key"] for k in report(apply(example, "-o", "json"))["keys"]}
    assert gateway.chat(keys["globex"], model="@openai/gpt-4o-mini").status == 200
    gateway.wait_flushed()
    says_nothing_to_do(apply(example))


def test_a_new_secret_is_sent_an_old_one_is_not(gateway, apply, example, monkeypatch):
    apply(example)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-another-one")
    done = apply(example)
    assert "key: changed" in done.stdout and "another" not in done.stdout + done.stderr
    says_nothing_to_do(apply(example))
    done = apply(example, "--resend-secrets")
    assert "key: changed" in done.stdout


def test_a_secret_comes_from_a_file(gateway, apply, example, tmp_path):
    (tmp_path / "key").write_text("sk-from-a-file-it-is\n")
    example["integrations"][0]["key"] = {"file": str(tmp_path / "key")}
    apply(example)
    assert gateway.admin("GET", "/integrations/openai")["masked_key"] == "sk*****-is"


def test_a_secret_that_is_missing_is_named_with_its_line(gateway, apply, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    done = apply("integrations:\n- slug: a\n  ai_provider_id: openai\n  key: {env: OPENAI_API_KEY}\n", check=False)
    assert done.returncode == 4
    assert "tenants.yaml:4: the environment has no OPENAI_API_KEY" in done.stderr
    assert gateway.admin("GET", "/integrations")["total"] == 0


@pytest.mark.parametrize("text, line, words", [
    ("workspaces:\n  - slug: a\n    name: [x\n", 4, "expected"),
    ("workspaces:\n  - slug: a\n    slug: b\n", 3, "said twice"),
    ("workspaces:\n  - slug: a\n    budget: 5\n", 2, "not a member of workspace"),
    ("workspaces:\n  - name: a\n", 2, "slug is missing"),
    ("workspaces:\n  slug: a\n", 2, "must be a list"),
    ("tenants:\n  - slug: a\n", 2, "none of the kinds"),
    ("keys:\n  - name: a\n", 2, "workspace_id is missing"),
    ("workspaces:\n  - {slug: a}\n  - {slug: a}\n", 3, "twice"),
    ("workspaces: !secret\n  - slug: a\n", 1, "tag"),
    ("a: 1\n---\nb: 2\n", 2, "one document"),
    ("workspaces:\n  - slug: a\n    users: [{email: no@body.example}]\n", 3, "nobody"),
])
def test_a_bad_file_is_refused_with_its_line(gateway, apply, text, line, words):
    done = apply(text, check=False)
    assert done.returncode == 4, done.stderr
    assert f"tenants.yaml:{line}: " in done.stderr and words in done.stderr, done.stderr
    assert gateway.admin("GET", "/admin/workspaces")["total"] == 0


def test_what_the_daemon_refuses_is_told_with_the_line_and_the_rest_can_be_run_again(gateway, apply):
    text = "workspaces:\n  - slug: a\n  - slug: b\n    usage_limits: [{type: cost, credit_limit: -5}]\n"
    done = apply(text, check=False)
    assert done.returncode == 1
    assert "tenants.yaml:3: workspace b: could not create it; 1 of 2 changes are made" in done.stderr
    done = apply(text.replace("-5", "5"))
    assert "1 to create, 0 to change, 0 to delete, 1 as the file says" in done.stdout


def test_what_cannot_be_changed_is_said(gateway, apply, example):
    apply(example)
    example["integrations"][0]["ai_provider_id"] = "anthropic"
    done = apply(example, check=False)
    assert done.returncode == 4 and 'ai_provider_id cannot be changed, it is "openai"' in done.stderr


def test_pruning_deletes_what_the_kinds_of_the_file_do_not_name(gateway, apply, example):
    apply(example)
    gateway.ctl("workspace", "create", "Old", "--slug", "old")
    gateway.ctl("key", "create", "stale", "--workspace", "starter")
    says_nothing_to_do(apply(example))
    done = apply(example, "--prune", check=False)
    assert done.returncode == 2 and "--yes" in done.stderr
    assert gateway.admin("GET", "/admin/workspaces")["total"] == 4
    done = apply(example, "--prune", "--yes")
    assert "- workspace old" in done.stdout and "- key starter/stale" in done.stdout
    assert {w["slug"] for w in gateway.admin("GET", "/admin/workspaces")["data"]} == {
        "enterprise", "professional", "starter"}
    names = {k["name"] for k in gateway.admin("GET", "/api-keys")["data"]}
    assert names == {"globex", "initech", "hooli", "first admin key"}
    says_nothing_to_do(apply(example, "--prune"))
    del example["integrations"][0]["workspaces"][2]
    done = apply(example, "--prune", "--yes")
    assert "- grant openai -> starter" in done.stdout
    says_nothing_to_do(apply(example, "--prune"))


def test_an_export_applied_changes_nothing_and_builds_the_same_elsewhere(gateway, gateway_factory, apply, example,
                                                                          mock, tmp_path, monkeypatch):
    ada = people.user(gateway, "ada@example.com")
    example["workspaces"][0]["users"] = [{"email": "ada@example.com", "role": "manager"}]
    example["workspaces"][2]["defaults"]["user_api_key_config"] = "starter"
    example["integrations"][0]["models"] = [{"slug": "gpt-4o", "enabled": False}]
    example["usage_policies"] = [{"name": "each", "workspace_id": "starter", "type": "cost", "credit_limit": 0.5,
                                  "conditions": [{"key": "api_key", "value": "*"}], "group_by": [{"key": "api_key"}]}]
    example["rate_policies"] = [{"name": "calm", "workspace_id": "starter", "type": "requests", "unit": "rpm",
                                 "value": 7, "conditions": [{"key": "api_key", "value": "*"}],
                                 "group_by": [{"key": "api_key"}]}]
    example["organisation"] = {"usage_limits": [{"type": "cost", "credit_limit": 5000, "periodic_reset": "monthly"}]}
    apply(example)
    says_nothing_to_do(apply(example))
    text = gateway.ctl("export").stdout
    assert "sk-" not in text and "AIGATE_OPENAI_KEY" in text and ada is not None
    says_nothing_to_do(apply(text, "--prune"))
    as_json = json.loads(gateway.ctl("export", "-o", "json").stdout)
    assert as_json == yaml.safe_load(text)
    says_nothing_to_do(apply(as_json, name="tenants.json"))
    other = gateway_factory(mock=mock)
    monkeypatch.setenv("AIGATE_OPENAI_KEY", "sk-elsewhere-it-is")
    people.user(other, "ada@example.com")
    path = tmp_path / "elsewhere.yaml"
    path.write_text(text)
    other.ctl("apply", "-f", str(path))
    assert yaml.safe_load(other.ctl("export").stdout) == as_json


def test_two_at_once_make_each_thing_once(gateway, apply, example):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda n: apply(example, "-o", "json", name=f"t{n}.yaml"), range(4)))
    made = [len(report(d)["changes"]) for d in done]
    assert sorted(made)[:3] == [0, 0, 0] and max(made) > 0
    assert sorted(k["name"] for k in gateway.admin("GET", "/api-keys")["data"]) == [
        "first admin key", "globex", "hooli", "initech"]


def test_members_come_and_go(gateway, apply):
    people.user(gateway, "ada@example.com")
    tree = {"workspaces": [{"slug": "shop", "name": "Shop",
                            "users": [{"email": "ada@example.com", "role": "member"}]}]}
    apply(tree)
    tree["workspaces"][0]["users"][0]["role"] = "admin"
    assert 'role: "member" -> "admin"' in apply(tree).stdout
    tree["workspaces"][0]["users"] = []
    says_nothing_to_do(apply(tree))
    assert "- member shop/ada@example.com" in apply(tree, "--prune", "--yes").stdout
    assert gateway.admin("GET", "/admin/workspaces/shop")["users"] == []


# -- persons -----------------------------------------------------------------------------------

TEAM = {
    "workspaces": [{"slug": "shop", "name": "Shop", "users": [{"email": "ada@example.com", "role": "manager"},
                                                              {"email": "bob@example.com"}]},
                   {"slug": "lab", "name": "Lab", "users": [{"email": "ada@example.com"}]}],
    "users": [{"email": "ada@example.com", "role": "member"}, {"email": "bob@example.com", "role": "admin"}],
}


def invites(gateway):
    return {i["email"]: i for i in gateway.admin("GET", "/admin/users/invites?status=pending")["data"]}


def test_persons_of_a_file_are_invited_to_their_workspaces(gateway, apply):
    done = apply(TEAM, "--dry-run", check=False)
    assert done.returncode == DIFFERS and "+ invite ada@example.com" in done.stdout and invites(gateway) == {}
    links = {i["email"]: i["invite_link"] for i in report(apply(TEAM, "-o", "json"))["invites"]}
    slugs = {w["id"]: w["slug"] for w in gateway.admin("GET", "/admin/workspaces")["data"]}
    asked = {email: (i["role"], {slugs[w["workspace_id"]]: w["role"] for w in i["workspaces"]})
             for email, i in invites(gateway).items()}
    assert asked == {"ada@example.com": ("member", {"shop": "manager", "lab": "member"}),
                     "bob@example.com": ("admin", {"shop": "member"})}
    says_nothing_to_do(apply(TEAM))

    # Accepted, they are users and members, and there is still nothing to do.
    for email, link in links.items():
        assert people.accept(gateway, link.partition("#")[2]).status == 200, email
    says_nothing_to_do(apply(TEAM))
    TEAM_NOW = json.loads(json.dumps(TEAM).replace('"admin"', '"member"').replace("manager", "admin"))
    done = apply(TEAM_NOW)
    assert "~ user bob@example.com" in done.stdout and 'role: "admin" -> "member"' in done.stdout
    assert "~ member shop/ada@example.com" in done.stdout
    says_nothing_to_do(apply(TEAM_NOW))
    assert {u["email"]: u["role"] for u in gateway.admin("GET", "/admin/users")["data"]} \
        == {"ada@example.com": "member", "bob@example.com": "member"}


def test_an_invite_that_says_something_else_is_made_anew(gateway, apply):
    apply(TEAM)
    before = invites(gateway)
    other = json.loads(json.dumps(TEAM).replace('"email": "ada@example.com", "role": "member"',
                                                '"email": "ADA@example.com", "role": "admin"'))
    done = apply(other)
    assert "~ invite ADA@example.com" in done.stdout and 'role: "member" -> "admin"' in done.stdout
    assert "+ invite ADA@example.com" in done.stdout and "bob" not in done.stdout
    says_nothing_to_do(apply(other))
    after = invites(gateway)
    assert after["bob@example.com"]["id"] == before["bob@example.com"]["id"]
    assert after["ADA@example.com"]["role"] == "admin"
    del other["workspaces"][1]["users"]
    assert "workspaces: " in apply(other).stdout
    assert len(invites(gateway)["ADA@example.com"]["workspaces"]) == 1


def test_pruning_takes_persons_and_invites_but_no_owner(gateway, apply):
    owner = people.user(gateway, "olga@example.com", "admin")["id"]
    gateway.sql(f"UPDATE aigate.app_user SET role = 'owner' WHERE uuid = '{owner}'")
    people.user(gateway, "eve@example.com")
    people.invite(gateway, "mallory@example.com")
    apply(TEAM)
    done = apply({"users": TEAM["users"]}, "--prune", check=False)
    assert done.returncode != NOTHING and "yes" in done.stderr, "deleting asks first"
    assert "- user eve@example.com" in done.stdout and "- invite mallory@example.com" in done.stdout
    assert "olga" not in done.stdout
    assert gateway.admin("GET", "/admin/users")["total"] == 2
    apply({"users": TEAM["users"]}, "--prune", "--yes")
    assert [u["email"] for u in gateway.admin("GET", "/admin/users")["data"]] == ["olga@example.com"]
    assert set(invites(gateway)) == {"ada@example.com", "bob@example.com"}


def test_persons_of_an_export_move_to_another_gateway(gateway, gateway_factory, apply, tmp_path):
    people.user(gateway, "carl@example.com", workspaces=[])
    apply(TEAM)
    gateway.admin("POST", "/admin/workspaces/lab/users", {"users": [{
        "id": gateway.admin("GET", "/admin/users")["data"][0]["id"], "role": "manager"}]})
    text = gateway.ctl("export").stdout
    says_nothing_to_do(apply(text))
    (tmp_path / "moved.yaml").write_text(text)
    other = gateway_factory()
    other.ctl("apply", "-f", str(tmp_path / "moved.yaml"))
    asked = {email: (i["role"], len(i["workspaces"])) for email, i in invites(other).items()}
    assert asked == {"ada@example.com": ("member", 2), "bob@example.com": ("admin", 1),
                     "carl@example.com": ("member", 1)}
    done = other.ctl("apply", "-f", str(tmp_path / "moved.yaml"))
    assert "nothing to do" in done.stdout


@pytest.mark.parametrize("text, words", [
    ("users: {}\n", "must be a list"), ("users:\n- ada\n", "is a mapping"), ("users:\n- role: admin\n", "email is missing"),
    ("users:\n- {email: a@b.c, name: x}\n", "not a member of user"),
    ("users:\n- {email: a@b.c}\n- {email: A@b.c}\n", "stands twice"),
    ("workspaces:\n- slug: shop\n  users: [{email: who@example.com}]\n", "among the file's users")])
def test_persons_a_file_says_wrongly(apply, text, words):
    done = apply(text, check=False)
    assert done.returncode == 4 and words in done.stderr, done.stderr
