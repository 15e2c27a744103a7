"""One API over all providers: each SDK, unmodified, asks every family of providers for everything.

A row of the table is a task of an SDK, in Python and in Node; a column is a family.  yes: the SDK parsed an answer
as it should be.  A number: the family cannot do it, and the refusal says so with that status.  A cell that is
not there fails, so that a family or a task that is added must be decided on for each of the others."""

import json
import os
import shutil
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "python"))

import matrix  # noqa: E402
from environment import clean_environment  # noqa: E402
from families import HELLO, MODELS, WORDS, Families  # noqa: E402

TABLE = """
                            openai  azure-openai  anthropic  google  vertex-ai  bedrock  cohere  mistral-ai  together-ai
openai.chat                 yes     yes           yes        yes     yes        yes      yes     yes         yes
openai.stream               yes     yes           yes        yes     yes        yes      yes     yes         yes
openai.tools                yes     yes           yes        yes     yes        yes      yes     yes         yes
openai.tools_stream         yes     yes           yes        yes     yes        yes      yes     yes         yes
openai.schema               yes     yes           yes        yes     yes        yes      yes     yes         yes
openai.responses            yes     yes           yes        yes     yes        yes      yes     yes         yes
openai.responses_stream     yes     yes           yes        yes     yes        yes      yes     yes         yes
openai.responses_tools      yes     yes           yes        yes     yes        yes      yes     yes         yes
openai.embeddings           yes     yes           400        yes     yes        yes      yes     yes         yes
openai.images               yes     yes           400        400     400        400      400     404         yes
openai.transcription        yes     yes           400        400     400        400      400     yes         yes
openai.speech               yes     yes           400        400     400        400      400     404         yes
anthropic.messages          yes     yes           yes        yes     yes        yes      yes     yes         yes
anthropic.stream            yes     yes           yes        yes     yes        yes      yes     yes         yes
anthropic.tools             yes     yes           yes        yes     yes        yes      yes     yes         yes
anthropic.tools_stream      yes     yes           yes        yes     yes        yes      yes     yes         yes
anthropic.count_tokens      400     400           yes        400     400        400      400     400         400
genai.generate              yes     yes           yes        yes     yes        yes      yes     yes         yes
genai.stream                yes     yes           yes        yes     yes        yes      yes     yes         yes
genai.tools                 yes     yes           yes        yes     yes        yes      yes     yes         yes
genai.schema                yes     yes           yes        yes     yes        yes      yes     yes         yes
genai.count_tokens          400     400           400        yes     yes        400      400     400         400
"""
FAMILIES, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = {(row[0], family): cell for row in ROWS for family, cell in zip(FAMILIES, row[1:], strict=True)}

CALL = [["get_weather", {"city": "sample"}]]
TOLD = {"text": "TEXT", "in": 21, "out": 7}
# What is parsed where the cell says yes; TEXT: whatever the simulator says in that family's format.
EXPECTED = {
    "openai.chat": {**TOLD, "stop": "stop"}, "openai.stream": {**TOLD, "stop": "stop"},
    "openai.tools": {"calls": CALL, "stop": "tool_calls", "text": "TEXT"},
    "openai.tools_stream": {"calls": CALL, "stop": "tool_calls"}, "openai.schema": {"parsed": "sample"},
    "openai.responses": {**TOLD, "stop": "completed"}, "openai.responses_stream": {**TOLD, "stop": "completed"},
    "openai.responses_tools": {"calls": CALL}, "openai.embeddings": {"vectors": 2, "numbers": True},
    "openai.images": {"png": "PNG"}, "openai.transcription": {"text": "TEXT"}, "openai.speech": {"bytes": "ID3"},
    "anthropic.messages": {**TOLD, "stop": "end_turn"}, "anthropic.stream": {**TOLD, "stop": "end_turn"},
    "anthropic.tools": {"calls": CALL, "stop": "tool_use", "text": "TEXT"},
    "anthropic.tools_stream": {"calls": CALL, "stop": "tool_use"}, "anthropic.count_tokens": {"in": 21},
    "genai.generate": {**TOLD, "stop": "STOP"}, "genai.stream": {**TOLD, "stop": "STOP"},
    "genai.tools": {"calls": CALL, "text": "TEXT"}, "genai.schema": {"parsed": "sample"}, "genai.count_tokens": {"in": 21},
}
TASKS = [f"{sdk}.{name}" for sdk, tasks in matrix.SDKS.items() for name in vars(tasks)
         if callable(getattr(tasks, name)) and not name.startswith("_")]
ALL = [(task, family) for task in TASKS for family in MODELS]


@pytest.fixture(scope="module")
def families(pg_cluster):
    together = Families(pg_cluster)
    yield together
    stats, log = together.mock.stats(), together.gateway.log
    together.close()
    assert stats["strict_violations"] == 0, stats["last_violation"]
    assert "error:" not in log


@pytest.fixture(scope="module")
def sdks(families):
    return {name: sdk(families) for name, sdk in matrix.SDKS.items()}


@pytest.fixture(scope="module")
def node(families):
    """What the Node program got, all of it at once."""
    if not shutil.which("node") or not os.path.isdir(os.path.join(HERE, "node", "node_modules")):
        pytest.skip("node and its packages are not installed")
    done = subprocess.run(["node", "matrix.mjs"], cwd=os.path.join(HERE, "node"), capture_output=True, text=True,
                          env=clean_environment(**families.environment()), timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(task, family, got, status=None, message=""):
    """got: what was parsed, or None and the error's status and message."""
    cell = CELLS[task, family]
    if cell != "yes":
        assert got is None and status == int(cell), (got, status, message)
        assert cell == "404" or f'The provider "{family}" does not serve this endpoint' in message.replace("\\", "")
        return
    assert got is not None, (status, message)
    want = dict(EXPECTED[task])
    got = json.loads(json.dumps(got))
    if "text" in want:
        assert got.pop("text") in (HELLO, WORDS) and want.pop("text") == "TEXT"
    assert got == want


def test_the_table_is_whole():
    assert FAMILIES == list(MODELS)
    assert set(CELLS) == set(ALL) and set(EXPECTED) == set(TASKS)


@pytest.mark.parametrize("task, family", ALL)
def test_python(families, sdks, task, family):
    sdk, name = task.split(".")
    try:
        got = getattr(sdks[sdk], name)(family)
    except Exception as e:  # noqa: BLE001  each SDK has its own
        status = getattr(e, "status_code", None) or getattr(e, "code", None)
        if not isinstance(status, int):
            raise
        check(task, family, None, status, str(e))
    else:
        check(task, family, got)


@pytest.mark.parametrize("task, family", ALL)
def test_node(node, task, family):
    sdk, name = task.split(".")
    got = node[sdk][name][family]
    if "error" in got:
        check(task, family, None, got["error"], got["message"])
    else:
        check(task, family, got)


# -- what goes wrong, as each SDK tells it -------------------------------------------------------

STREAMS = [("openai", "stream"), ("openai", "responses_stream"), ("anthropic", "stream"), ("genai", "stream")]


@pytest.fixture
def scripted(families):
    """Rules for all that is asked while it lasts, but for tokens."""
    families.mock.script(match={"path": "/token"})
    yield families.mock.script
    families.mock.clear()


@pytest.mark.parametrize("family", MODELS)
@pytest.mark.parametrize("sdk, name", [*STREAMS, ("openai", "chat"), ("anthropic", "messages"), ("genai", "generate")])
def test_a_busy_provider_is_busy_for_every_sdk(sdks, scripted, sdk, name, family):
    scripted(status=429, error_message="slow down")
    with pytest.raises(Exception) as caught:
        getattr(sdks[sdk], name)(family)
    assert 429 in (getattr(caught.value, "status_code", None), getattr(caught.value, "code", None)), caught.value
    assert "slow down" in str(caught.value)


@pytest.mark.parametrize("family", MODELS)
@pytest.mark.parametrize("sdk, name", STREAMS)
@pytest.mark.parametrize("how", [{"error_after_chunks": 1}, {"cut_after_chunks": 1}], ids=lambda h: next(iter(h)))
def test_a_stream_that_fails_is_an_exception_in_every_sdk(sdks, scripted, sdk, name, family, how):
    scripted(**how)
    with pytest.raises(Exception) as caught:
        getattr(sdks[sdk], name)(family)
    # OpenAI's helper for responses has no other word for a stream that ended in an error.
    assert type(caught.value).__module__.split(".")[0] in ("openai", "anthropic", "google") or (
        "Didn't receive a `response.completed` event" in str(caught.value)), repr(caught.value)


@pytest.mark.parametrize("family", [f for f in MODELS if f != "openai"])
@pytest.mark.parametrize("sdk, name", [("openai", "chat"), ("openai", "stream"), ("anthropic", "messages"),
                                       ("anthropic", "stream"), ("genai", "generate"), ("genai", "stream")])
def test_the_end_by_the_limit_is_told_in_every_sdk(sdks, scripted, sdk, name, family):
    scripted(tokens=500)
    told = getattr(sdks[sdk], name)(family)
    assert told["stop"] == {"openai": "length", "anthropic": "max_tokens", "genai": "MAX_TOKENS"}[sdk]
    assert told["out"] == 64
