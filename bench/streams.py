"""streams.py - rounds of streams through nginx and aigated by turns: processor time a chunk; then memory a stream.

streams starts everything and names ports and pids.  Only the standard library, and /proc.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time

from measure import Failed, cpu_us_at_rest, number, stats, tree

CONNECTIONS, TURNS, CHUNKS = 100, 2, 200
GPT, CLAUDE, FLASH, NOVA, COMMAND = "gpt-4o-mini", "claude-sonnet-4-5", "gemini-2.5-flash", "amazon.nova-pro-v1:0", \
    "command-a-03-2025"
MISTRAL = "mistral-small-latest"

OPENAI = {"messages": [{"role": "user", "content": "hi"}], "stream": True, "stream_options": {"include_usage": True}}
MESSAGES = {"max_tokens": 1000, "messages": [{"role": "user", "content": "hi"}], "stream": True}
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
RESPONSES = {"input": "hi", "stream": True, "store": False}

# What a provider is asked by nginx's clients: path, body, headers.
NATIVE = {
    "openai": ("/v1/chat/completions", {"model": GPT, **OPENAI}, "authorization: Bearer sk-bench"),
    "mistral": ("/mistral/v1/chat/completions", {"model": MISTRAL, "messages": OPENAI["messages"], "stream": True},
                "authorization: Bearer sk-bench"),
    "anthropic": ("/v1/messages", {"model": CLAUDE, **MESSAGES}, "x-api-key: sk-bench\r\nanthropic-version: 2023-06-01"),
    "google": (f"/v1beta/models/{FLASH}:streamGenerateContent?alt=sse", CONTENTS, "x-goog-api-key: sk-bench"),
    "bedrock": ("/model/amazon.nova-pro-v1%3A0/converse-stream",
                {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}, "authorization: Bearer sk-bench"),
    "cohere": ("/v2/chat", {"model": COMMAND, "messages": OPENAI["messages"], "stream": True},
               "authorization: Bearer sk-bench"),
}
MODELS = {"openai": GPT, "mistral": MISTRAL, "anthropic": CLAUDE, "google": FLASH, "bedrock": NOVA, "cohere": COMMAND}
# What clients of aigated ask, by protocol; %s: the model's place.
CLIENTS = {
    "chat": lambda model: ("/v1/chat/completions", {"model": model, **OPENAI}),
    "messages": lambda model: ("/v1/messages", {"model": model, **MESSAGES}),
    "responses": lambda model: ("/v1/responses", {"model": model, **RESPONSES}),
    "generate": lambda model: (f"/v1beta/models/{model}:streamGenerateContent?alt=sse", CONTENTS),
}
# client's protocol and provider; the first of each block passes bytes
CASES = [("chat", "openai"), ("chat", "anthropic"), ("chat", "google"), ("chat", "bedrock"), ("chat", "cohere"),
         ("chat", "mistral"), ("messages", "anthropic"), ("messages", "openai"), ("messages", "bedrock"),
         ("responses", "anthropic"), ("generate", "google"), ("generate", "openai")]
PASSED = {("chat", "openai"), ("chat", "mistral"), ("messages", "anthropic"), ("generate", "google")}


def request(path, body, headers):
    """Its bytes."""
    data = json.dumps(body)
    return (f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n{headers}\r\n"
            f"content-length: {len(data)}\r\n\r\n{data}").encode()


class Side:
    """nginx or aigated: a process tree, a port for each pace, what is sent there."""

    def __init__(self, name, root, paced, slow, ask):
        self.name, self.root, self.ports, self.ask = name, root, {"paced": paced, "slow": slow}, ask

    def worker(self):
        """The process that relays: the child that is called a worker."""
        table = stats()
        for pid in tree(self.root, table):
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if b"worker" in f.read() and pid != self.root:
                    return pid
        raise Failed(f"{self.name} has no worker")


def load(args, side, pace, *more, **how):
    """streamload on the load's processor, to be fed the request."""
    return subprocess.Popen(
        ["taskset", "-c", str(args.load_core), os.path.join(args.build, "bench", "streamload"),
         str(side.ports[pace]), *more],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how)


def measure(args, side, case):
    """Microseconds a chunk, of the whole process tree."""
    before = cpu_us_at_rest(side.root)
    process = load(args, side, "paced", str(CONNECTIONS), str(TURNS))
    out, err = process.communicate(side.ask(case, "paced"), timeout=300)
    if process.returncode != 0:
        raise Failed(f"{side.name} {of(case)}: {err.decode()}")
    return (cpu_us_at_rest(side.root) - before) / (int(out.split()[1]) * CHUNKS)


def resident(pid):
    """Private bytes of a process: what it shares with others is not a stream's."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        found = dict(line.split(":", 1) for line in f if ":" in line and "-" not in line.split(":")[0])
    return sum(int(found[k].split()[0]) for k in ("Private_Clean", "Private_Dirty")) * 1024


def fresh(args, side, case):
    """A worker that has served one stream, so that nothing it keeps hides what streams take; its pid."""
    old = side.worker()
    if side.name == "nginx":
        os.kill(side.root, signal.SIGHUP)
    else:
        os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while True:
        time.sleep(0.2)
        try:
            if side.worker() != old and old not in stats():
                break
        except (Failed, OSError):
            pass
        if time.monotonic() > deadline:
            raise Failed(f"{side.name}: no new worker")
    while True:
        out, err = load(args, side, "paced", "1", "1").communicate(side.ask(case, "paced"), timeout=60)
        if out:
            return side.worker()
        if time.monotonic() > deadline:
            raise Failed(f"{side.name}: {err.decode()}")
        time.sleep(0.2)


def memory(args, side, case):
    """Bytes a stream, with so many open at once."""
    worker = fresh(args, side, case)
    idle = resident(worker)
    mine, theirs = os.pipe()
    process = load(args, side, "slow", str(args.streams), "hold", "4", str(mine), pass_fds=(mine,))
    os.close(mine)
    process.stdin.write(side.ask(case, "slow"))
    process.stdin.close()
    line = process.stdout.readline()
    if not line.startswith(b"HELD"):
        raise Failed(f"{side.name} {case}: {process.stderr.read().decode()}")
    held = resident(worker) - idle
    os.close(theirs)
    process.wait()
    cpu_us_at_rest(side.root)
    return held / args.streams


def of(case):
    """Its name in tables."""
    return f"{case[0]}>{case[1]}"


def run(args):
    """Everything."""
    sides = [
        Side("nginx", args.nginx, args.nginx_paced, args.nginx_slow, lambda case, pace: request(*NATIVE[case[1]])),
        Side("aigated", args.gateway, args.port, args.port, lambda case, pace: request(
            *CLIENTS[case[0]](f"@{case[1]}-{pace}/{MODELS[case[1]]}"), "authorization: Bearer " + args.key))]
    cases = [c for c in CASES if not args.cases or of(c) in args.cases.split(",")]
    taken, busy = {}, []
    for case in cases:
        for side in sides:  # connections open, buffers grown, caches warm
            measure(args, side, case)
    for turn in range(args.rounds):
        for case in cases:
            row = [measure(args, side, case) for side in sides]
            taken.setdefault(case, []).append(row)
            busy.append(os.getloadavg()[0])
            print(f"round {turn + 1} {of(case):20} nginx {row[0]:6.2f}  aigated {row[1]:6.2f} us a chunk", flush=True)
    held = {case: [memory(args, side, case) for side in sides] for case in cases}
    print(f"\nload average {min(busy):.1f} to {max(busy):.1f}; medians of {args.rounds} rounds")
    print(f"{'client>provider':22} {'':10} {'nginx':>9} {'aigated':>9} {'ratio':>6}   {'nginx':>8} {'aigated':>8}")
    print(f"{'':22} {'':10} {'us/chunk':>9} {'us/chunk':>9} {'':6}   {'B/stream':>8} {'B/stream':>8}")
    with open(args.out, "w", encoding="ascii") as f:
        f.write("case\tmetric\taigated\tnginx\tratio\n")
        for case in cases:
            nginx, own = (statistics.median(r[i] for r in taken[case]) for i in (0, 1))
            ratio = statistics.median(r[1] / r[0] for r in taken[case])
            bytes_nginx, bytes_own = held[case]
            print(f"{of(case):22} {'passed' if case in PASSED else 'translated':10} {number(nginx):>9} {number(own):>9} "
                  f"{ratio:6.2f}   {bytes_nginx:8.0f} {bytes_own:8.0f}")
            f.write(f"{of(case)}\tchunk_cpu_us\t{own:.3f}\t{nginx:.3f}\t{ratio:.3f}\n")
            f.write(f"{of(case)}\tstream_bytes\t{bytes_own:.0f}\t{bytes_nginx:.0f}\t{bytes_own / bytes_nginx:.3f}\n")


def main():
    """Exit status 1 when the run is void."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("cases", "build", "key", "out"):
        parser.add_argument("--" + name, required=True)
    for name in ("rounds", "streams", "gateway", "port", "nginx", "nginx-paced", "nginx-slow", "gateway-core", "load-core"):
        parser.add_argument("--" + name, required=True, type=int)
    try:
        run(parser.parse_args())
    except Failed as error:
        print(f"bench: the run failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
