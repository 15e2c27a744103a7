"""What a client that is a program of its own may know of this machine."""

import os


def clean_environment(**extra):
    """Nothing of the machine's own accounts or proxies reaches a client."""
    env = {k: v for k, v in os.environ.items()
           if not k.upper().startswith(("OPENAI_", "PORTKEY_", "ANTHROPIC_"))
           and k.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
    return {**env, "NO_PROXY": "127.0.0.1", **extra}
