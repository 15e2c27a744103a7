"""What one administrator has made, as a model says it: the few facts a request's fate follows from.

A World makes random changes over the admin API, keeps what they must have led to, and compares: what the API
shows, what the rows say, and which requests are served.  It owns what it makes (names begin with its own), so
several can work on one gateway at once.  A call whose answer was lost, to a death, must have been made wholly
or not at all: which of both is read back, nothing else is allowed."""

import collections
import copy
import json
import random

import wire
from gateway import chat_body, mock_url, wait

MODELS = ("gpt-4o-mini", "gpt-4o")
SCOPES = ("completions.write", "logs.view")
PLENTY = 1000


class Lost(Exception):
    """The answer did not come, or says that nobody knows."""


class Limits:
    """A budget of requests and a rate of requests a day; None: none."""

    def __init__(self, budget=None, rate=None):
        self.budget, self.rate, self.used, self.admitted = budget, rate, 0, 0

    def set(self, budget, rate):
        """What is taken away and comes again counts from nought; another amount goes on."""
        if budget is None:
            self.used = 0
        if rate is None:
            self.admitted = 0
        self.budget, self.rate = budget, rate

    def refusals(self):
        return ({412} if self.budget is not None and self.used >= self.budget else set()) | (
            {429} if self.rate is not None and self.admitted >= self.rate else set())

    def count(self):
        self.used += self.budget is not None
        self.admitted += self.rate is not None

    def body(self, is_key):
        """The members as the API takes them."""
        usage = {"type": "requests", "credit_limit": self.budget} if self.budget is not None else None
        rates = [{"type": "requests", "unit": "rpd", "value": self.rate}] if self.rate is not None else None
        return {"usage_limits": usage if is_key or usage is None else [usage], "rate_limits": rates}

    def seen(self):
        return self.budget, self.rate, self.used if self.budget is not None else None


def limits_seen(shown):
    """The same of an object the API shows, whatever it wraps limits in."""
    usage = shown["usage_limits"]
    if isinstance(usage, list):
        usage = usage[0] if usage else None
    rates = shown["rate_limits"] or []
    assert len(rates) <= 1
    return (usage["credit_limit"] if usage else None, rates[0]["value"] if rates else None,
            usage["current_usage"] if usage else None)


class World:
    """prefix: of all names.  step() is one change and what must hold behind it."""

    def __init__(self, gateway, mock, prefix, seed):
        self.gateway, self.mock, self.prefix = gateway, mock, prefix
        self.random = random.Random(seed)
        self.connection = None
        self.made = 0
        self.workspaces = {}     # slug -> {name, limits}
        self.integrations = {}   # slug -> {name, all, models: {name: enabled}, grants: {slug: {on, limits}}}
        self.keys = {}           # id -> {name, workspace, secrets, scopes, config, limits, in_transition}
        self.policies = {}       # id -> {workspace, integration, is_open}
        self.configs = {}        # slug -> {name, workspace, integration}
        self.done = {}           # how often what was done, by name
        self.fates = collections.Counter()
        self.history = collections.deque(maxlen=40)

    # -- calls -----------------------------------------------------------------------------

    def name(self, kind):
        self.made += 1
        return f"{self.prefix}-{kind}{self.made}"

    def ask(self, method, path, headers, body=None):
        """On a kept connection; Lost when it breaks before the answer."""
        try:
            if self.connection is None:
                self.connection = self.gateway.connect(60)
            self.connection.request(method, path, headers, body)
            answer = self.connection.read_answer(method)
        except (OSError, wire.WireError):
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            raise Lost(f"{method} {path}") from None
        if method != "GET":
            self.history.append(f"{answer.status} {method} {path} {json.dumps(body)}")
        if answer.headers.get("connection") == "close":
            self.connection.close()
            self.connection = None
        return answer

    def admin(self, method, path, body=None):
        answer = self.ask(method, "/v1" + path, {"x-portkey-api-key": self.gateway.admin_key}, body)
        if answer.status >= 500:
            raise Lost(f"{method} {path}: {answer!r}")
        return answer

    def call(self, method, path, body=None):
        """A call that must work."""
        answer = self.admin(method, path, body)
        assert answer.status == 200, f"{method} {path} {body}: {answer!r}"
        return answer.json

    def look(self, path):
        """A read, as often as it takes."""
        def read():
            try:
                return self.admin("GET", path)
            except Lost:
                return None
        return wait(read, f"an answer to {path}", 60)

    def pick(self, things):
        return self.random.choice(sorted(things))

    def some_limits(self):
        """Mostly none that binds, or hardly anything would be served."""
        return (self.random.choice([None] * 5 + [PLENTY] * 4 + [1, 3]),
                self.random.choice([None] * 5 + [PLENTY] * 4 + [0, 2]))

    # -- what is to be done ----------------------------------------------------------------

    def step(self):
        """One random change, or none where there is nothing to change."""
        name = self.random.choices(*zip(*WEIGHTS.items()))[0]
        try:
            happened = getattr(self, name)()
        except Lost:
            self.give_up(name)
            raise
        if happened is not False:
            self.done[name] = self.done.get(name, 0) + 1
            self.probe(2)

    def give_up(self, name):
        raise AssertionError(f"{name}: a lost answer nobody looked after")

    def change(self, method, path, body, thing, after, look):
        """An update of `thing` (a dictionary of ours) to `after`; look() says what is there."""
        try:
            self.call(method, path, body)
        except Lost:
            before, now = self.shape(thing), look()
            assert now in (before, self.shape(after)), f"{method} {path} {body}: half done: {now}"
            if now == before:
                return
        thing.clear()
        thing.update(after)

    @staticmethod
    def shape(thing):
        """What of it can be read."""
        return {k: v.seen() if isinstance(v, Limits) else v for k, v in thing.items()
                if k not in ("secrets", "grants")}

    def create(self, path, body, find):
        """The answer's JSON; find(): what was made although the answer was lost, None: nothing was."""
        try:
            return self.call("POST", path, body), False
        except Lost:
            return find(), True

    # workspaces

    def make_workspace(self):
        if len(self.workspaces) >= 3:
            return False
        slug, limits = self.name("ws"), Limits(*self.some_limits())
        body = {"name": slug, "slug": slug, **limits.body(False)}
        made, _ = self.create("/admin/workspaces", body, lambda: self.show_workspace(slug))
        if made:
            self.workspaces[slug] = {"name": slug, "limits": limits}
        return True

    def show_workspace(self, slug):
        answer = self.look(f"/admin/workspaces/{slug}")
        if answer.status != 200 or answer.json["status"] != "active":
            assert answer.status in (200, 403, 404), answer
            return None
        return {"name": answer.json["name"], "limits": limits_seen(answer.json)}

    def change_workspace(self):
        if not self.workspaces:
            return False
        slug = self.pick(self.workspaces)
        after = copy.deepcopy(self.workspaces[slug])
        after["name"] = self.name("ws")
        after["limits"].set(*self.some_limits())
        self.change("PUT", f"/admin/workspaces/{slug}", {"name": after["name"], **after["limits"].body(False)},
                    self.workspaces[slug], after, lambda: self.show_workspace(slug))
        return True

    def delete_workspace(self):
        if not self.workspaces:
            return False
        slug = self.pick(self.workspaces)
        body, path = {"name": self.workspaces[slug]["name"]}, f"/admin/workspaces/{slug}"
        if any(k["workspace"] == slug for k in self.keys.values()):
            try:
                assert self.admin("DELETE", path, body).status == 409
            except Lost:
                assert self.show_workspace(slug), "it was in use"
            if self.random.random() < 0.7:
                return True
        try:
            self.call("DELETE", path, {**body, "force_delete": True})
        except Lost:
            if self.show_workspace(slug):
                return True
        del self.workspaces[slug]
        for things in (self.keys, self.policies, self.configs):
            for gone in [k for k, v in things.items() if v["workspace"] == slug]:
                del things[gone]
        for one in self.integrations.values():
            one["grants"].pop(slug, None)
        return True

    # integrations

    def make_integration(self):
        if len(self.integrations) >= 3:
            return False
        slug = self.name("int")
        body = {"name": slug, "slug": slug, "ai_provider_id": "openai", "key": "sk-of-" + slug,
                "configurations": {"custom_host": mock_url(self.mock)}}
        made, _ = self.create("/integrations", body, lambda: self.show_integration(slug))
        if made:
            self.integrations[slug] = {"name": slug, "all": True, "models": {}, "grants": {}}
        return True

    def show_integration(self, slug):
        answer = self.look(f"/integrations/{slug}")
        if answer.status != 200:
            assert answer.status == 404, answer
            return None
        models = self.look(f"/integrations/{slug}/models").json
        return {"name": answer.json["name"], "all": models["allow_all_models"],
                "models": {m["slug"]: m["enabled"] for m in models["models"] if m["slug"] in MODELS}}

    def change_integration(self):
        if not self.integrations:
            return False
        slug = self.pick(self.integrations)
        after = copy.copy(self.integrations[slug])
        after["name"] = self.name("int")
        self.change("PUT", f"/integrations/{slug}", {"name": after["name"]}, self.integrations[slug], after,
                    lambda: self.show_integration(slug))
        return True

    def change_models(self):
        if not self.integrations:
            return False
        slug = self.pick(self.integrations)
        after = copy.copy(self.integrations[slug])
        after["all"], after["models"] = self.random.random() < 0.7, dict(after["models"])
        after["models"][self.random.choice(MODELS)] = self.random.random() < 0.7
        body = {"allow_all_models": after["all"],
                "models": [{"slug": m, "enabled": on} for m, on in after["models"].items()]}
        self.change("PUT", f"/integrations/{slug}/models", body, self.integrations[slug], after,
                    lambda: self.show_integration(slug))
        return True

    def delete_integration(self):
        if not self.integrations:
            return False
        slug = self.pick(self.integrations)
        try:
            self.call("DELETE", f"/integrations/{slug}")
        except Lost:
            if self.show_integration(slug):
                return True
        del self.integrations[slug]
        return True

    def show_grant(self, slug, workspace):
        shown = self.look(f"/integrations/{slug}/workspaces").json["workspaces"]
        names = {w["id"]: w["slug"] for w in self.look("/admin/workspaces?page_size=1000").json["data"]}
        found = [g for g in shown if workspace in (g["id"], names.get(g["id"]), g.get("slug"))]
        if not found:
            return {"on": False, "limits": (None, None, None)}
        return {"on": found[0]["enabled"], "limits": limits_seen(found[0])}

    def change_grant(self):
        if not self.integrations or not self.workspaces:
            return False
        slug, workspace = self.pick(self.integrations), self.pick(self.workspaces)
        grants = self.integrations[slug]["grants"]
        thing = grants.setdefault(workspace, {"on": False, "limits": Limits()})
        after = copy.deepcopy(thing)
        after["on"] = self.random.random() < 0.8
        after["limits"].set(*self.some_limits())
        reset = self.random.random() < 0.3
        if reset:
            after["limits"].used = 0
        self.change("PUT", f"/integrations/{slug}/workspaces", {"workspaces": [
            {"id": workspace, "enabled": after["on"], "reset_usage": reset, **after["limits"].body(False)}]},
            thing, after, lambda: self.show_grant(slug, workspace))
        return True

    # keys

    def make_key(self):
        if not self.workspaces or len(self.keys) >= 8:
            return False
        workspace, name, limits = self.pick(self.workspaces), self.name("key"), Limits(*self.some_limits())
        scopes = list(SCOPES) if self.random.random() < 0.9 else ["logs.view"]
        config = self.config_of(workspace)
        body = {"name": name, "scopes": scopes, "workspace_id": workspace, **limits.body(True),
                "defaults": {"config_id": config} if config else {}}
        made, is_lost = self.create("/api-keys/workspace/service", body, lambda: self.find_key(name, workspace))
        if made:
            self.keys[made["id"]] = {
                "name": name, "workspace": workspace, "secrets": [] if is_lost else [made["key"]],
                "scopes": sorted(scopes), "config": config, "limits": limits, "in_transition": False}
        return True

    def config_of(self, workspace):
        own = [c for c, v in self.configs.items() if v["workspace"] == workspace]
        return self.random.choice(sorted(own) + [None])

    def find_key(self, name, workspace):
        listed = self.look(f"/api-keys?workspace_id={workspace}&page_size=1000").json["data"]
        return next(({"id": k["id"]} for k in listed if k["name"] == name), None)

    def show_key(self, uuid):
        answer = self.look(f"/api-keys/{uuid}")
        if answer.status != 200:
            assert answer.status == 404, answer
            return None
        key = answer.json
        return {"name": key["name"], "workspace": self.keys[uuid]["workspace"], "scopes": sorted(key["scopes"]),
                "config": key["defaults"].get("config_slug", key["defaults"].get("config_id")),
                "limits": limits_seen(key), "in_transition": bool(key["key_transition_expires_at"])}

    def change_key(self):
        if not self.keys:
            return False
        uuid = self.pick(self.keys)
        after = copy.deepcopy(self.keys[uuid])
        body = {}
        if self.random.random() < 0.5:
            after["name"] = body["name"] = self.name("key")
        if self.random.random() < 0.5:
            after["limits"].set(*self.some_limits())
            body.update(after["limits"].body(True))
        if self.random.random() < 0.3:
            after["scopes"] = sorted(SCOPES if self.random.random() < 0.8 else ["logs.view"])
            body["scopes"] = after["scopes"]
        if self.random.random() < 0.3:
            after["config"] = self.config_of(after["workspace"])
            body["defaults"] = {"config_id": after["config"]}
        if self.random.random() < 0.3:
            after["limits"].used, body["reset_usage"] = 0, True
        self.change("PUT", f"/api-keys/{uuid}", body, self.keys[uuid], after, lambda: self.show_key(uuid))
        return True

    def rotate_key(self):
        if not self.keys:
            return False
        uuid = self.pick(self.keys)
        key = self.keys[uuid]
        try:
            answer = self.admin("POST", f"/api-keys/{uuid}/rotate")
        except Lost:
            # The new secret is told to nobody: the former one is all there is.
            was, key["in_transition"] = key["in_transition"], self.show_key(uuid)["in_transition"]
            assert key["in_transition"] or not was
            if key["in_transition"] and not was:
                key["secrets"] = [None] + key["secrets"][:1]
            return True
        if key["in_transition"]:
            assert answer.status == 409, answer
            return True
        assert answer.status == 200, answer
        key["in_transition"], key["secrets"] = True, [answer.json["key"]] + key["secrets"][:1]
        return True

    def forget_former(self):
        in_transition = [k for k, v in self.keys.items() if v["in_transition"]]
        if not in_transition:
            return False
        uuid = self.pick(in_transition)
        key = self.keys[uuid]
        try:
            self.call("DELETE", f"/api-keys/{uuid}/former-secret")
        except Lost:
            if self.show_key(uuid)["in_transition"]:
                return True
        self.dead = key["secrets"][1:2]
        key["in_transition"], key["secrets"] = False, key["secrets"][:1]
        self.refused_for_good(self.dead)
        return True

    def delete_key(self):
        if not self.keys:
            return False
        uuid = self.pick(self.keys)
        try:
            self.call("DELETE", f"/api-keys/{uuid}")
        except Lost:
            if self.show_key(uuid):
                return True
        self.refused_for_good(self.keys.pop(uuid)["secrets"])
        return True

    # policies: one that is shut refuses all requests to one integration

    def make_policy(self):
        if not self.workspaces or not self.integrations or len(self.policies) >= 3:
            return False
        name, workspace, integration = self.name("pol"), self.pick(self.workspaces), self.pick(self.integrations)
        is_open = self.random.random() < 0.7
        made, _ = self.create("/policies/rate-limits", {
            "name": name, "workspace_id": workspace, "type": "requests", "unit": "rpd",
            "value": PLENTY if is_open else 0, "group_by": [{"key": "api_key"}],
            "conditions": [{"key": "virtual_key", "value": integration}]}, lambda: self.find_policy(name, workspace))
        if made:
            self.policies[made["id"]] = {"name": name, "workspace": workspace, "integration": integration,
                                         "is_open": is_open}
        return True

    def find_policy(self, name, workspace):
        listed = self.look(f"/policies/rate-limits?workspace_id={workspace}&page_size=1000").json["data"]
        return next((p for p in listed if p["name"] == name), None)

    def show_policy(self, uuid):
        answer = self.look(f"/policies/rate-limits/{uuid}")
        if answer.status != 200 or answer.json["status"] == "archived":
            assert answer.status in (200, 404), answer
            return None
        return {"name": answer.json["name"], "workspace": self.policies[uuid]["workspace"],
                "integration": self.policies[uuid]["integration"], "is_open": answer.json["value"] > 0}

    def change_policy(self):
        if not self.policies:
            return False
        uuid = self.pick(self.policies)
        after = {**self.policies[uuid], "name": self.name("pol"), "is_open": not self.policies[uuid]["is_open"]}
        self.change("PUT", f"/policies/rate-limits/{uuid}",
                    {"name": after["name"], "value": PLENTY if after["is_open"] else 0},
                    self.policies[uuid], after, lambda: self.show_policy(uuid))
        return True

    def delete_policy(self):
        if not self.policies:
            return False
        uuid = self.pick(self.policies)
        try:
            self.call("DELETE", f"/policies/rate-limits/{uuid}")
        except Lost:
            if self.show_policy(uuid):
                return True
        del self.policies[uuid]
        return True

    # configs

    def make_config(self):
        if not self.workspaces or not self.integrations or len(self.configs) >= 3:
            return False
        name, workspace, integration = self.name("conf"), self.pick(self.workspaces), self.pick(self.integrations)
        made, _ = self.create("/configs", {"name": name, "workspace_id": workspace,
                                           "config": {"provider": "@" + integration}},
                              lambda: self.find_config(name, workspace))
        if made:
            self.configs[made["slug"]] = {"name": name, "workspace": workspace, "integration": integration}
        return True

    def find_config(self, name, workspace):
        listed = self.look(f"/configs?workspace_id={workspace}&page_size=1000").json["data"]
        return next((c for c in listed if c["name"] == name), None)

    def show_config(self, slug):
        answer = self.look(f"/configs/{slug}")
        if answer.status != 200:
            assert answer.status == 404, answer
            return None
        one = answer.json.get("data", answer.json)
        config = one["config"] if isinstance(one["config"], dict) else json.loads(one["config"])
        return {"name": one["name"], "workspace": self.configs[slug]["workspace"],
                "integration": config["provider"].lstrip("@")}

    def change_config(self):
        if not self.configs or not self.integrations:
            return False
        slug = self.pick(self.configs)
        after = {**self.configs[slug], "name": self.name("conf"), "integration": self.pick(self.integrations)}
        self.change("PUT", f"/configs/{slug}", {"name": after["name"],
                                                "config": {"provider": "@" + after["integration"]}},
                    self.configs[slug], after, lambda: self.show_config(slug))
        return True

    def delete_config(self):
        if not self.configs:
            return False
        slug = self.pick(self.configs)
        is_used = any(k["config"] == slug for k in self.keys.values())
        try:
            answer = self.admin("DELETE", f"/configs/{slug}")
        except Lost:
            if self.show_config(slug):
                return True
            assert not is_used, "keys stand on it"
        else:
            assert answer.status == (409 if is_used else 200), answer
            if is_used:
                return True
        del self.configs[slug]
        return True

    # -- what must hold --------------------------------------------------------------------

    def refused_for_good(self, secrets):
        for secret in secrets:
            if secret:
                answer = self.request(secret, "gpt-4o-mini")
                assert answer.status == 401, f"a secret that is gone: {answer!r}"

    def request(self, secret, model):
        """One request of the data plane, which nothing that happens to control may disturb; now and then by
        another worker."""
        if self.connection is not None and self.random.random() < 0.2:
            self.connection.close()
            self.connection = None
        for _ in range(2):
            try:
                return self.ask("POST", "/v1/chat/completions", {"authorization": f"Bearer {secret}"},
                                chat_body("hi", model=model))
            except Lost:
                continue  # the connection was kept too long: one more
        raise AssertionError("a request was not answered")

    def verdict(self, key, slug, model):
        """{why: statuses a request may be refused with}, empty: it is served; the limits it counts on."""
        why, counts = {}, {"key": key["limits"], "workspace": self.workspaces[key["workspace"]]["limits"]}
        if "completions.write" not in key["scopes"]:
            why["scope"] = {401, 403}
        integration = self.integrations.get(slug)
        grant = integration and integration["grants"].get(key["workspace"])
        if not grant or not grant["on"]:
            why["grant"] = {400, 403, 404}
        else:
            counts["grant"] = grant["limits"]
        if integration and not (integration["models"].get(model, integration["all"])):
            why["model"] = {404, 412}
        for level, limits in counts.items():
            if limits.refusals():
                why[f"{level} {vars(limits)}"] = limits.refusals()
        if any(p["workspace"] == key["workspace"] and p["integration"] == slug and not p["is_open"]
               for p in self.policies.values()):
            why["policy"] = {429}
        return why, counts.values()

    def probe(self, times=1):
        """Requests: each is served or refused as the model says."""
        for _ in range(times):
            alive = [k for k, v in self.keys.items() if any(v["secrets"])]
            if not alive or not self.integrations:
                return
            key = self.keys[self.pick(alive)]
            secret = self.random.choice([s for s in key["secrets"] if s])
            slug, model = self.pick(self.integrations), self.random.choice(MODELS)
            granted = [i for i, v in self.integrations.items() if v["grants"].get(key["workspace"], {}).get("on")]
            if granted and self.random.random() < 0.8:
                slug = self.pick(granted)
            named = f"@{slug}/{model}"
            if key["config"]:
                slug, named = self.configs[key["config"]]["integration"], model
            why, counts = self.verdict(key, slug, model)
            answer = self.request(secret, named)
            self.fates[answer.status] += 1
            if why:
                assert answer.status in set().union(*why.values()), f"{named} by {key['name']}: {why} and not {answer!r}"
            else:
                assert answer.status == 200, f"{named} by {key['name']}: {answer!r}"
                for limits in counts:
                    limits.count()

    def compare_reads(self):
        """Everything, as the API shows it."""
        def same(look, thing, what):
            # What is in flight is settled behind the answer.
            wait(lambda: look() == self.shape(thing), f"{what} to be {self.shape(thing)}, not {look()}")
        for slug, thing in self.workspaces.items():
            same(lambda s=slug: self.show_workspace(s), thing, slug)
        for slug, thing in self.integrations.items():
            same(lambda s=slug: self.show_integration(s), thing, slug)
            for workspace, grant in thing["grants"].items():
                same(lambda s=slug, w=workspace: self.show_grant(s, w), grant, (slug, workspace))
        for kind in ("key", "policy", "config"):
            for one, thing in {"key": self.keys, "policy": self.policies, "config": self.configs}[kind].items():
                same(lambda o=one, k=kind: getattr(self, "show_" + k)(o), thing, one)

    def compare_rows(self):
        """Everything that is active, as PostgreSQL has it."""
        like = self.prefix + "-%"
        rows = self.gateway.rows
        assert sorted(s for s, in rows(
            "SELECT slug FROM aigate.workspace WHERE status = 'active' AND slug LIKE %s", like)) == sorted(
                self.workspaces)
        assert sorted(s for s, in rows(
            "SELECT slug FROM aigate.integration WHERE status = 'active' AND slug LIKE %s", like)) == sorted(
                self.integrations)
        assert sorted((str(u), n, sorted(s)) for u, n, s in rows(
            "SELECT uuid, name, to_jsonb(scopes) FROM aigate.api_key WHERE status = 'active' AND name LIKE %s",
            like)) == sorted((u, k["name"], k["scopes"]) for u, k in self.keys.items())
        limits = {("key", k["name"]): k["limits"] for k in self.keys.values()}
        limits.update({("workspace", w["name"]): w["limits"] for w in self.workspaces.values()})
        want = sorted([(level, name, "budget", x.budget) for (level, name), x in limits.items() if x.budget is not None]
                      + [(level, name, "rate", x.rate) for (level, name), x in limits.items() if x.rate is not None])
        assert want == sorted(rows(
            "SELECT m.level, coalesce(k.name, w.name), m.kind, m.limit_amount FROM aigate.meter m"
            " LEFT JOIN aigate.api_key k ON m.level = 'key' AND k.id = m.scope_id"
            " LEFT JOIN aigate.workspace w ON m.level = 'workspace' AND w.id = m.scope_id"
            " WHERE m.retired_at IS NULL AND coalesce(k.name, w.name) LIKE %s", like))


WEIGHTS = {"make_workspace": 5, "change_workspace": 2, "delete_workspace": 0.7, "make_integration": 3,
           "change_integration": 1, "change_models": 2, "delete_integration": 0.5, "change_grant": 10, "make_key": 10,
           "change_key": 10, "rotate_key": 3, "forget_former": 2, "delete_key": 3, "make_policy": 2,
           "change_policy": 2, "delete_policy": 1, "make_config": 2, "change_config": 2, "delete_config": 1}
