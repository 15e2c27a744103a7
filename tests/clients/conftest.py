"""The fixtures of the system tests, and what runs a client as a program of its own."""

import os
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from environment import clean_environment  # noqa: E402
from fixtures import *  # noqa: E402,F401,F403


def _run(command, cwd, env):
    done = subprocess.run(command, cwd=cwd, env=clean_environment(**env), capture_output=True,
                          text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def run_python(gateway):
    """run_python("script.py", "argument", KEY=...): its output."""
    pytest.importorskip("portkey_ai")

    def run(script, *arguments, **env):
        return _run([sys.executable, os.path.join(HERE, "python", script), *arguments], HERE,
                    {"GATEWAY_URL": gateway.url, **env})
    return run


@pytest.fixture
def run_node(gateway):
    """The same for Node."""
    if not shutil.which("node") or not os.path.isdir(os.path.join(HERE, "node", "node_modules")):
        pytest.skip("node and its packages are not installed")

    def run(script, *arguments, **env):
        return _run(["node", script, *arguments], os.path.join(HERE, "node"),
                    {"GATEWAY_URL": gateway.url, **env})
    return run


@pytest.fixture
def start_python(gateway):
    """start_python("script.py", "argument", KEY=...): a program that is talked to while it runs."""
    pytest.importorskip("portkey_ai")
    started = []

    def start(script, *arguments, **env):
        one = subprocess.Popen([sys.executable, os.path.join(HERE, "python", script), *arguments],
                               cwd=HERE, env=clean_environment(GATEWAY_URL=gateway.url, **env),
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(one)
        return one
    yield start
    for one in started:
        one.stdin.close()
        one.stdout.close()
        if one.poll() is None:
            one.kill()
        one.wait()
