"""What a workspace demands of the keys of its people: how long they live, how many there are, what they carry."""

import datetime
import threading

import pytest

from gateway import wait
from people import refused, user
from plane import _provider, plane, provider  # noqa: F401

CONF = {"admin_rate": "0"}
AT_FIRST = {"user_api_key_ttl": 0, "user_api_key_max_ttl": 0, "user_api_key_count": -1, "user_key_metadata": 0,
            "user_key_metadata_override": 1}
MINUTE = datetime.timedelta(minutes=1)


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def days(n):
    return now() + datetime.timedelta(days=n)


def time_of(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class Shop:
    """A workspace with one member."""
    number = 0

    def __init__(self, gateway, **settings):
        Shop.number += 1
        self.gateway = gateway
        self.workspace = gateway.workspace(f"shop {Shop.number}", settings=settings)
        self.path = f"/admin/workspaces/{self.workspace['slug']}"
        self.email = f"ada{Shop.number}@example.com"
        self.ada = user(gateway, self.email, workspaces=[{"id": self.workspace["slug"], "role": "member"}])["id"]

    def set(self, status=200, **settings):
        answer = self.gateway.admin_ask("PUT", self.path, {"settings": settings})
        assert answer.status == status, answer
        return answer

    @property
    def settings(self):
        found = self.gateway.admin("GET", self.path)["settings"]
        return {name: found[name] for name in AT_FIRST}

    def ask(self, kind="user", metadata=None, **more):
        body = {"name": "k", "workspace_id": self.workspace["slug"], "scopes": ["completions.write"], **more}
        if kind == "user":
            body.setdefault("user_id", self.ada)
        if metadata is not None:
            body["defaults"] = {"metadata": metadata}
        return self.gateway.admin_ask("POST", f"/api-keys/workspace/{kind}", body)

    def key(self, **more):
        answer = self.ask(**more)
        assert answer.status == 200, answer
        return answer.json

    def read(self, key):
        return self.gateway.admin("GET", f"/api-keys/{key['id']}")

    def ends_in(self, key):
        """Days from now on, None: never."""
        text = self.read(key)["expires_at"]
        return text and round((time_of(text) - now()) / datetime.timedelta(days=1), 2)

    def carried(self, key, **metadata):
        """The metadata of a request of the key, as the ledger has it."""
        headers = {"x-portkey-metadata": str(metadata).replace("'", '"')} if metadata else {}
        assert self.gateway.chat(key["key"], headers=headers).status == 200
        self.gateway.wait_flushed()
        return self.gateway.sql("select coalesce(l.metadata, '{}') from aigate.ledger l join aigate.api_key k"
                                " on k.id = l.api_key_id where k.uuid = %s order by l.received_at desc limit 1", key["id"])


@pytest.fixture
def shop(plane, provider):  # noqa: F811
    return Shop(plane)


# -- written and read ----------------------------------------------------------------------------

def test_they_read_back_and_null_takes_them_back(shop):
    assert shop.settings == AT_FIRST
    wanted = {"user_api_key_ttl": 7, "user_api_key_max_ttl": 30, "user_api_key_count": 2,
              "user_key_metadata": {"team": "a"}, "user_key_metadata_override": 0}
    shop.set(**wanted)
    assert shop.settings == wanted
    # Some of them: the others stay, also when bodies are the talk.
    shop.set(user_api_key_count=3, redact=["email"])
    wanted["user_api_key_count"] = 3
    assert shop.settings == wanted
    shop.set(user_key_metadata=True, user_key_metadata_override=True)
    assert shop.settings == {**wanted, "user_key_metadata": 1, "user_key_metadata_override": 1}
    listed = shop.gateway.admin("GET", f"/admin/workspaces?exact_name={shop.workspace['name'].replace(' ', '%20')}")
    assert listed["data"][0]["settings"]["user_api_key_ttl"] == 7
    shop.set(**dict.fromkeys(AT_FIRST))
    assert shop.settings == AT_FIRST
    shop.set(**wanted)
    shop.set(**AT_FIRST)
    assert shop.settings == AT_FIRST
    # At once with the workspace.
    assert Shop(shop.gateway, **wanted).settings == wanted


@pytest.mark.parametrize("settings, words", [
    ({"user_api_key_ttl": -1}, ["settings.user_api_key_ttl", "36500 days"]),
    ({"user_api_key_ttl": 36501}, ["settings.user_api_key_ttl", "36500 days"]),
    ({"user_api_key_ttl": "7"}, ["settings.user_api_key_ttl"]), ({"user_api_key_max_ttl": 1.5}, ["user_api_key_max_ttl"]),
    ({"user_api_key_max_ttl": True}, ["user_api_key_max_ttl"]), ({"user_api_key_count": -2}, ["user_api_key_count"]),
    ({"user_api_key_count": 1000001}, ["user_api_key_count", "1000000"]),
    ({"user_key_metadata": 2}, ["user_key_metadata"]), ({"user_key_metadata": "x"}, ["user_key_metadata"]),
    ({"user_key_metadata": ["x"]}, ["user_key_metadata"]), ({"user_key_metadata": {"a": {"b": "c"}}}, ["user_key_metadata"]),
    ({"user_key_metadata": {"a": "x" * 2048}}, ["user_key_metadata", "2048"]),
    ({"user_key_metadata_override": 2}, ["user_key_metadata_override"]),
    ({"user_api_key_ttl": 31, "user_api_key_max_ttl": 30}, ["user_api_key_ttl", "user_api_key_max_ttl"]),
    ({"user_api_keys": 1}, ["settings.user_api_keys", "no such setting"]),
])
def test_what_is_wrong_is_refused_by_name(shop, settings, words):
    refused(shop.set(400, **{"user_api_key_count": 5, **settings}), 400, "AB01", *words)
    assert shop.settings == AT_FIRST


def test_the_life_by_itself_is_never_longer_than_the_longest(shop):
    shop.set(user_api_key_max_ttl=30)
    refused(shop.set(400, user_api_key_ttl=31), 400, "AB01", "user_api_key_ttl", "user_api_key_max_ttl")
    shop.set(user_api_key_ttl=30)
    refused(shop.set(400, user_api_key_max_ttl=29), 400, "AB01", "user_api_key_ttl", "user_api_key_max_ttl")
    shop.set(user_api_key_max_ttl=0)
    shop.set(user_api_key_ttl=31)


# -- how long ------------------------------------------------------------------------------------

def test_a_new_key_lives_as_long_as_the_workspace_says(shop):
    forever = shop.key()
    shop.set(user_api_key_ttl=7)
    assert shop.ends_in(shop.key()) == 7 and shop.ends_in(forever) is None
    # It is what is said of those that say nothing.
    assert shop.ends_in(shop.key(expires_at=None)) is None
    assert shop.ends_in(shop.key(expires_at=days(90).isoformat())) == 90
    assert shop.ends_in(shop.key(kind="service")) is None, "nobody's keys are not concerned"


def test_no_key_of_a_person_lives_longer(shop):
    old = shop.key()
    shop.set(user_api_key_max_ttl=30)
    assert shop.ends_in(shop.key()) == 30
    shop.set(user_api_key_ttl=7)
    key = shop.key()
    assert shop.ends_in(key) == 7
    for more in ({"expires_at": None}, {"expires_at": days(31).isoformat()}):
        refused(shop.ask(**more), 400, "AB01", "expires_at", "30 days", "user_api_key_max_ttl")
        refused(shop.gateway.admin_ask("PUT", f"/api-keys/{key['id']}", more), 400, "AB01", "expires_at", "30 days",
                "user_api_key_max_ttl")
    shop.gateway.admin("PUT", f"/api-keys/{key['id']}", {"expires_at": days(29).isoformat()})
    assert shop.ends_in(key) == 29
    # Whoever does not speak of its end leaves it.
    shop.gateway.admin("PUT", f"/api-keys/{old['id']}", {"name": "old"})
    assert shop.ends_in(old) is None
    assert shop.ends_in(shop.key(kind="service", expires_at=days(99).isoformat())) == 99


def test_a_new_secret_lives_no_longer_either(shop):
    """Keys older than the ceiling: their new secret begins to count."""
    forever, long, short = shop.key(), shop.key(expires_at=days(90).isoformat()), shop.key(expires_at=days(3).isoformat())
    service = shop.key(kind="service")
    shop.set(user_api_key_max_ttl=30)
    for key, end in ((forever, 30), (long, 30), (short, 3), (service, None)):
        shop.gateway.admin("POST", f"/api-keys/{key['id']}/rotate")
        assert shop.ends_in(key) == end
    # By its timetable as well.
    timed = shop.key(expires_at=days(20).isoformat(), rotation_policy={
        "rotation_period": "weekly", "key_transition_period_ms": 3600000})
    shop.gateway.sql("update aigate.api_key set expires_at = null, next_rotation_at = now() where uuid = %s", timed["id"])
    wait(lambda: shop.read(timed)["last_rotated_at"], "the rotation")
    assert shop.ends_in(timed) == 30


def test_of_several_ceilings_the_lowest_holds(plane, provider):  # noqa: F811
    shop = Shop(plane, user_api_key_max_ttl=30)
    plane.admin("PUT", "/admin/organisation/settings", {"user_api_key_max_lifetime_days": 10})
    try:
        assert shop.ends_in(shop.key()) == 10
        refused(shop.ask(expires_at=days(20).isoformat()), 400, "AB01", "10 days", "of the organisation")
        shop.set(user_api_key_ttl=30)
        assert shop.ends_in(shop.key()) == 10, "what a key gets by itself is what it may have"
        shop.set(user_api_key_ttl=0, user_api_key_max_ttl=5)
        refused(shop.ask(expires_at=days(7).isoformat()), 400, "AB01", "5 days", "of the workspace")
    finally:
        plane.admin("PUT", "/admin/organisation/settings", {"user_api_key_max_lifetime_days": None})


# -- how many ------------------------------------------------------------------------------------

def test_a_person_has_no_more_keys_than_that(shop):
    gateway, other = shop.gateway, user(shop.gateway, f"bob{Shop.number}@example.com")["id"]
    gateway.admin("POST", f"{shop.path}/users", {"users": [other]})
    shop.set(user_api_key_count=2)
    first, _ = shop.key(), shop.key()
    refused(shop.ask(), 400, "AB01", "user_id", "2 keys", "user_api_key_count allows 2")
    # Each person counts alone, and keys of nobody do not; nor does another workspace.
    shop.key(user_id=other)
    shop.key(kind="service")
    away = gateway.workspace("away")
    gateway.admin("POST", f"/admin/workspaces/{away['slug']}/users", {"users": [shop.ada]})
    shop.key(workspace_id=away["slug"])
    # A deleted key makes room, and so does one that ended, until it is to work again.
    gateway.admin("DELETE", f"/api-keys/{first['id']}")
    third = shop.key()
    refused(shop.ask(), 400, "AB01", "user_api_key_count")
    gateway.admin("PUT", f"/api-keys/{third['id']}", {"expires_at": (now() - MINUTE).isoformat()})
    fourth = shop.key()
    for end in (None, days(1).isoformat()):
        refused(gateway.admin_ask("PUT", f"/api-keys/{third['id']}", {"expires_at": end}), 400, "AB01", "expires_at",
                "user_api_key_count allows 2")
    gateway.admin("PUT", f"/api-keys/{third['id']}", {"name": "still over"})
    gateway.admin("DELETE", f"/api-keys/{fourth['id']}")
    gateway.admin("PUT", f"/api-keys/{third['id']}", {"expires_at": None})
    assert gateway.chat(third["key"]).status == 200
    # Fewer than there are: those there are stay.
    shop.set(user_api_key_count=0)
    assert gateway.chat(third["key"]).status == 200
    refused(shop.ask(), 400, "AB01", "user_api_key_count allows 0")
    shop.set(user_api_key_count=-1)
    shop.key()


def test_two_who_add_one_at_a_time_do_not_both(shop):
    """The other node has counted, and not committed: whoever counts now is turned away, not let through."""
    shop.set(user_api_key_count=1)
    gateway = shop.gateway
    elsewhere = gateway.pg.session(gateway.database)
    try:
        elsewhere.run(
            "begin isolation level repeatable read;"
            "insert into aigate.user_key_turn (workspace_id, user_id) select w.id, u.id from aigate.workspace w,"
            f" aigate.app_user u where w.uuid = '{shop.workspace['id']}' and u.uuid = '{shop.ada}';"
            "insert into aigate.api_key (organisation_id, workspace_id, user_id, kind, name, key_hash, key_mask)"
            " select w.organisation_id, w.id, u.id, 'workspace-user', 'theirs', sha256('theirs'), 'x'"
            f" from aigate.workspace w, aigate.app_user u where w.uuid = '{shop.workspace['id']}' and u.uuid = '{shop.ada}';")
        answers = []
        ask = threading.Thread(target=lambda: answers.append(shop.ask()))
        ask.start()
        wait(lambda: gateway.sql("select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
                                 " and query like '%%user_key_turn%%' and pid <> pg_backend_pid()"), "the call to stand before the row")
        elsewhere.run("commit;")
        ask.join()
    finally:
        elsewhere.close()
    refused(answers[0], 409, "AB07")
    refused(shop.ask(), 400, "AB01", "user_api_key_count allows 1")
    assert gateway.sql("select count(*) from aigate.api_key where status = 'active' and user_id ="
                       " (select id from aigate.app_user where uuid = %s)", shop.ada) == 1


# -- what they carry -----------------------------------------------------------------------------

def test_keys_of_people_carry_what_the_workspace_says(shop):
    key, service = shop.key(metadata={"a": "key"}), shop.key(kind="service")
    assert shop.carried(key) == {"a": "key"}
    shop.set(user_key_metadata={"a": "workspace", "b": "workspace"}, user_key_metadata_override=0)
    # At once, also for keys that stand; their own stays what it was.
    assert shop.carried(key, b="request", c="request") == {"a": "workspace", "b": "workspace", "c": "request"}
    assert shop.carried(shop.key()) == {"a": "workspace", "b": "workspace"}
    assert shop.read(key)["defaults"]["metadata"] == {"a": "key"}
    assert shop.carried(service) == {}
    shop.gateway.reload()
    assert shop.carried(key) == {"a": "workspace", "b": "workspace"}
    # What a key says of itself, and its requests, goes before it.
    shop.set(user_key_metadata_override=1)
    assert shop.carried(key) == {"a": "key", "b": "workspace"}
    assert shop.carried(key, a="request", b="request", c="request") == {"a": "key", "b": "request", "c": "request"}
    shop.gateway.reload()
    assert shop.carried(key) == {"a": "key", "b": "workspace"}
    # What the workspace says of itself goes before all.
    shop.gateway.admin("PUT", shop.path, {"defaults": {"metadata": {"b": "all"}}})
    assert shop.carried(key, c="request") == {"a": "key", "b": "all", "c": "request"}
    shop.set(user_key_metadata=0)
    assert shop.carried(key) == {"a": "key", "b": "all"}


def test_the_person_behind_a_key(shop):
    shop.set(user_key_metadata=1)
    key, named = shop.key(), shop.key(metadata={"_user": "the backend"})
    assert shop.carried(key) == {"_user": shop.email}
    assert shop.carried(key, _user="customer 7") == {"_user": "customer 7"}
    assert shop.carried(named) == {"_user": "the backend"}
    shop.set(user_key_metadata_override=0)
    for one in (key, named):
        assert shop.carried(one, _user="customer 7") == {"_user": shop.email}
    # A new secret says who it is as well.
    one = shop.gateway.admin("POST", f"/api-keys/{key['id']}/rotate")
    assert shop.carried({"id": key["id"], "key": one["key"]}) == {"_user": shop.email}


def test_what_is_carried_fits(shop):
    big = shop.key(metadata={"a": "x" * 1500})
    refused(shop.set(400, user_key_metadata={"b": "y" * 600}), 400, "AB01", big["id"], "2048", "user_key_metadata")
    assert shop.settings == AT_FIRST and set(shop.carried(big)) == {"a"}
    shop.set(user_key_metadata={"b": "y" * 400})
    assert set(shop.carried(big)) == {"a", "b"}
    refused(shop.ask(metadata={"a": "x" * 1900}), 400, "AB01", "2048", "user_key_metadata")


def test_the_schema_of_keys_is_about_what_they_carry(plane, provider):  # noqa: F811
    shop = Shop(plane)
    plane.admin("PUT", "/admin/organisation/settings", {"api_key_metadata_schema": {
        "type": "object", "required": ["team", "cost_center"], "properties": {
            "team": {"type": "string", "enum": ["red", "blue"]}, "tier": {"type": "string", "default": "free"},
            "cost_center": {"type": "string", "pattern": "^[0-9]+$"}}}})
    try:
        refused(shop.set(400, user_key_metadata={"team": "green"}), 400, "AB01", "settings.user_key_metadata.team",
                "api_key_metadata_schema")
        refused(shop.ask(metadata={"cost_center": "7"}), 400, "AB01", "team")
        shop.set(user_key_metadata={"team": "red"})
        # What the workspace gives along need not be said; what is missing is, and what is preset is filled in.
        refused(shop.ask(), 400, "AB01", "cost_center", "required")
        key = shop.key(metadata={"cost_center": "7"})
        assert shop.read(key)["defaults"]["metadata"] == {"cost_center": "7", "tier": "free"}
        assert shop.carried(key) == {"team": "red", "cost_center": "7", "tier": "free"}
        shop.gateway.admin("PUT", f"/api-keys/{key['id']}", {"name": "again"})
        assert shop.read(key)["defaults"]["metadata"] == {"cost_center": "7", "tier": "free"}
        refused(shop.ask(metadata={"cost_center": "7", "team": "green"}), 400, "AB01", "team")
        # Overruled, the key's own word is not held against it.
        shop.set(user_key_metadata_override=0)
        assert shop.carried(shop.key(metadata={"cost_center": "7", "team": "green"}))["team"] == "red"
    finally:
        plane.admin("PUT", "/admin/organisation/settings", {"api_key_metadata_schema": None})


def test_an_invite_brings_a_key_under_the_same_rules(shop):
    shop.set(user_api_key_ttl=7, user_key_metadata=1)
    made = user(shop.gateway, f"new{Shop.number}@example.com", workspaces=[{"id": shop.workspace["slug"], "role": "member"}],
                workspace_api_key_details={"scopes": ["completions.write"]})
    key = made["api_keys"][0]
    assert shop.ends_in(key) == 7
    assert shop.carried(key) == {"_user": f"new{Shop.number}@example.com"}
