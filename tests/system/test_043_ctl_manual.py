"""aigatectl against its own table: completion, help, manual and forms of output know every command; the manual's
examples work as printed."""

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

import gateway as gw
import people

PAGE = os.path.join(gw.TOP, "man", "aigatectl.8")
ENDLESS = "aigatectl tail"  # an example that follows the ledger until it is stopped
FILES = {
    "openai.key": "sk-0123456789abcdef\n",
    "models.yaml": "name: plain\nactions: {deny: true}\n"
                   "checks: [{id: default.modelWhitelist, parameters: {models: [gpt-4o-mini]}}]\n",
    "azure.yaml": "name: Azure\nslug: azure\nprovider: azure-openai\nkey: {file: azure.key}\nresourceName: acme\n"
                  "deploymentName: gpt\napiVersion: 2024-10-21\n",
    "azure.key": "0123456789abcdef",
}


def table():
    """{words: options} of every command, as the program has it."""
    lines = gw.ctl("help", "--words").stdout.splitlines()
    assert len(lines) == len({line.split(" -")[0] for line in lines}) > 80
    return {line.split(" -")[0]: re.findall(r" (-\S+)", line) for line in lines}


TABLE = table()


# -- completion --------------------------------------------------------------------------------------

def complete(shell, lines):
    """What the shell's function offers for the last word of each line: all in one process."""
    script = gw.ctl("completion", shell).stdout
    if shell == "zsh":  # completion proper needs a terminal: the function alone is asked
        script = "autoload -U +X compinit && compinit -u -D\n" + script
    calls = []
    for line in lines:
        words = line.split(" ")
        quoted = " ".join(f"'{w}'" for w in words)
        at = len(words) - 1 if shell == "bash" else len(words)
        calls.append(f"COMP_WORDS=({quoted}); COMP_CWORD={at - (shell == 'zsh')}; COMPREPLY=(); "
                     + ("setopt localoptions ksharrays; " if shell == "zsh" else "")
                     + "_aigatectl; echo \"${COMPREPLY[*]}\"")
    if shell == "zsh":
        calls = [f"() {{ {call} }}" for call in calls]
    command = {"bash": ["bash", "--norc"], "zsh": ["zsh", "-f"]}[shell]
    done = subprocess.run(command, input=script + "\n" + "\n".join(calls) + "\n", capture_output=True, text=True,
                          check=True)
    assert done.stderr == ""
    return [set(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completion_offers_every_command_and_option(shell):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    commands = list(TABLE)
    firsts, = complete(shell, ["aigatectl "])
    assert {c.split()[0] for c in commands} <= firsts
    pairs = [c for c in commands if " " in c]
    for command, offered in zip(pairs, complete(shell, [f"aigatectl -o json {c.split()[0]} " for c in pairs])):
        assert command.split()[1] in offered, command
    for command, offered in zip(commands, complete(shell, [f"aigatectl {c} -" for c in commands])):
        assert set(TABLE[command]) | {"--output", "--help"} <= offered, command
        assert not {"--set", "--where", "--file", "--prune"} & offered - set(TABLE[command]), command
    assert complete(shell, ["aigatectl report "]) == [{"spend", "usage", "errors", "latency", "top"}]


# -- help --------------------------------------------------------------------------------------------

def test_help_knows_every_command_and_its_options():
    for command, options in TABLE.items():
        told = gw.ctl(*command.split(), "--help").stdout
        assert told.startswith(f"usage: aigatectl {command}"), command
        said = re.search(r"^options: (.*)$", told, re.M)
        assert (said.group(1).split() if said else []) == options, command
        assert command in gw.ctl("help", command.split()[0]).stdout.replace("|", " ") or " " in command


def test_what_a_verb_does_not_take_is_refused(gateway):
    for words in (["guardrail", "list", "--set", "a=b"], ["policy", "delete", "x", "--where", "a=b"],
                  ["org", "show", "--workspace", "w"], ["audit", "list", "--file", "x"]):
        done = gateway.ctl(*words, check=False)
        assert done.returncode == 2 and f"unknown option {words[-2]}" in done.stderr, words


# -- the manual --------------------------------------------------------------------------------------

def page():
    with open(PAGE, encoding="utf-8") as f:
        return f.read()


def test_the_manual_has_every_command_and_option():
    text = page()
    items = re.findall(r"^\.(?:It |It Xo\n\.)Cm .*$", text, re.M)
    told = "\n".join(re.findall(r"^\.It .*$", text, re.M))
    limits = set(re.findall(r"--(?:budget|period|alert|enforcement|on-exhaust|rp.|tpm)\S*", " ".join(TABLE["key create"])))
    for command, options in TABLE.items():
        line = next((i for i in items if re.match(rf"\.It (Xo\n\.)?Cm {command}(?![\w-])", i)), None)
        assert line, f"{command} has no line"
        at = text.index(line)
        entry = text[at:text.index("\n.It ", at + 1)] if "\n.It " in text[at + 1:] else text[at:]
        for option in options:
            name = option.lstrip("-")
            if option in limits and " Ar limits" in entry:
                assert f"Fl -{name} " in told, option
            else:
                assert re.search(rf"Fl -?{name}\b|[|] -{name}\b", entry), f"{command} {option}"


def examples():
    """The lines of EXAMPLES, continued ones joined."""
    section = page().partition(".Sh EXAMPLES\n")[2].partition("\n.Sh ")[0]
    blocks = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", section, re.M | re.S) + re.findall(r"^\.Dl (.*)$", section, re.M)
    text = "\n".join(blocks).replace("\\e\n", " ").replace("\\(aq", "'")
    return [line for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def example(pg_cluster, tmp_path_factory):
    """A shell where the examples were run, each as it is printed, by an organisation of their own: .run(line)."""
    where = tmp_path_factory.mktemp("examples")
    credentials = tmp_path_factory.mktemp("credentials")
    for path in (where, credentials, where.parent):
        os.chmod(path, 0o755)
    (credentials / "acme-inc.openai").write_text("sk-0123456789abcdef")
    one = gw.Gateway(pg_cluster, conf={"credential_dir": str(credentials)})
    for name, text in FILES.items():
        (where / name).write_text(text)
    shutil.copy(os.path.join(gw.TOP, "etc", "tenants.example.yaml"), where)
    wrapper = where / "aigatectl"
    wrapper.write_text("#!/bin/sh\ncase $1 in bootstrap|db) ;; *) set -- --organisation 'Acme Inc.' \"$@\" ;; esac\n"
                       f"exec {gw.program('aigatectl')} -c {one.dir}/aigated.conf \"$@\"\n")
    wrapper.chmod(0o755)
    env = {**gw.environment(), "PATH": f"{where}:{os.environ['PATH']}", "OPENAI_API_KEY": "sk-examples"}

    def run(line, check=True):
        done = subprocess.run(["sh", "-c", line], cwd=where, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not check, f"{line}\n{done.stdout}{done.stderr}"
        return done
    run.lines = [line for line in examples() if not line.startswith(ENDLESS)]
    run.done = []
    try:
        for line in run.lines:
            run.done.append((line, run(line, check=False)))
            for token in re.findall(r"invites/accept#(\S+)|#(\S{20,})", run.done[-1][1].stdout)[:1]:
                assert people.accept(one, token[0] or token[1]).status == 200
        yield run
    finally:
        one.close(False)


def test_every_example_works_as_printed(example):
    assert len(example.done) > 30
    for line, done in example.done:
        # A dry run tells by its status that there is something to do.
        assert done.returncode == (5 if "--dry-run" in line else 0), f"{line}\n{done.stdout}{done.stderr}"


def test_every_noun_has_an_example(example):
    nouns = {c.split()[0] for c in TABLE if c.endswith((" list", " show"))}
    assert {"org", "workspace", "integration", "provider", "model", "key", "config", "guardrail", "policy", "user",
            "audit"} <= nouns
    seen = {m.group(1) for line in example.lines for m in re.finditer(r"aigatectl (?:-o \w+ )?(\S+)", line)}
    assert nouns - seen - {"db", "journal", "prices"} == set()


# -- forms of output ---------------------------------------------------------------------------------

HOME = {"member": "--workspace shop", "provider": "--workspace shop", "virtual-key": "--workspace shop",
        "model": "--integration openai", "prices": "--model gpt-4o-mini",
        "audit": "--where start_time=2020-01-01T00:00:00Z --where end_time=2100-01-01T00:00:00Z"}
SHOWN = {"workspace": "slug", "integration": "slug", "provider": "slug", "model": "slug", "virtual-key": "slug",
         "secret-reference": "slug", "member": "id"}


def same(run, command):
    """JSON and YAML say the same; the table has lines."""
    as_json = json.loads(run(f"aigatectl -o json {command}").stdout)
    assert yaml.safe_load(run(f"aigatectl --output=yaml {command}").stdout) == as_json, command
    lines = run(f"aigatectl -o table {command}").stdout.splitlines()
    assert lines and not lines[0].startswith(("{", "[")), command
    return as_json


def test_what_reads_says_the_same_in_every_form(example):
    listed = [c for c in TABLE if c.endswith((" list", " status")) and not c.startswith("journal")]
    for command in [*listed, "status", "usage", "models --model gpt-4o-mini", "org show", "org-defaults show"]:
        noun = command.split()[0]
        answer = same(example, f"{command} {HOME.get(noun, '')}")
        if f"{noun} show" not in TABLE or command == f"{noun} show":
            continue
        key = next(k for k in ("data", "models", "records") if k in answer)
        assert answer[key] or noun == "invite", noun
        for one in answer[key][:1]:
            name = one[SHOWN.get(noun, "id")]
            same(example, f"{noun} show {name} {HOME.get(noun, '')}")
    for form, parse in (("json", json.loads), ("yaml", yaml.safe_load)):  # tells the time it was looked at
        assert parse(example(f"aigatectl -o {form} limits ada").stdout)["limits"]
