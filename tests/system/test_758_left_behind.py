"""What passes through control does not stay in its memory: a credential, a key just made, a vault's token."""

import os
import re

import pytest

import gateway as gw
from people import call
from vault import Vault

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of an undumpable process")


def found_in(pid, *secrets):
    """{secret: how often} in what the process can write to."""
    counts = dict.fromkeys(secrets, 0)
    with open(f"/proc/{pid}/maps") as f:
        ranges = re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw\S* \S+ \S+ \S+ *(\S*)", f.read(), re.M)
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for begin, end, name in ranges:
            if name.startswith(("/dev/shm", "/dev/zero")):
                continue
            memory.seek(int(begin, 16))
            try:
                piece = memory.read(int(end, 16) - int(begin, 16))
            except OSError:
                continue
            for secret in secrets:
                counts[secret] += piece.count(secret.encode())
    return counts


@pytest.mark.skipif(gw.is_sanitized(), reason="freed memory is kept for the sanitizer")
def test_nothing_is_left_of_what_was_secret(gateway, mock, monkeypatch):
    token, mapped, given = "hvs.token-that-is-told", "sk-mapped-and-fetched-1", "sk-given-by-hand-0001"
    vault = Vault()
    vault.tokens.add(token)
    vault.secrets["secret/data/x"] = {"api_key": mapped}
    gateway.admin("POST", "/secret-references", {
        "name": "r", "slug": "r", "manager_type": "hashicorp_vault", "secret_path": "secret/data/x",
        "secret_key": "api_key", "auth_config": {"vault_addr": vault.url, "vault_token": token}})
    for n, how in enumerate(({"key": given}, {"secret_mappings": [{"target_field": "key",
                                                                  "secret_reference_id": "r"}]})):
        made = call(gateway, "POST", "/integrations", {"name": "i", "slug": f"i{n}", "ai_provider_id": "openai", **how})
        assert made.status == 200, made
    key = gateway.key()
    vault.close()
    control = gateway.pids("control")[0]
    assert found_in(control, gateway.shm_name)[gateway.shm_name] > 0, "we can look"
    left = found_in(control, token, mapped, given, str(key))
    assert left == dict.fromkeys(left, 0)
