"""measure.py - interleaved rounds of wrk over the gateways, and what they cost.

run starts everything and writes a line per target (variant, root pid, service, URL, key, model);
this pins, loads, reads /proc and prints.  Only the standard library.
"""

import argparse
import contextlib
import glob
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
import ssl

HERE = os.path.dirname(os.path.abspath(__file__))
TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
PATH = "/v1/chat/completions"
VARIANTS = ("nginx", "governed", "open")

# name: service, bytes of the request's body, is it a stream, connections
CASES = {
    "plain1k": ("plain", 1024, False, 64),
    "plain10k": ("plain", 10240, False, 64),
    "plain100k": ("plain", 102400, False, 64),
    "sse": ("stream", 1024, True, 64),
    "tls1k": ("tls", 1024, False, 64),
    "down100k": ("large", 1024, False, 64),
}
METRICS = ("cpu_us", "rps", "p50_us", "p99_us")


class Failed(Exception):
    """The run is void."""


class Target:
    """A server to load, with the processes that are charged for it."""

    def __init__(self, line):
        self.variant, pid, self.service, self.url, self.key, self.model = line.split("\t")
        self.root = int(pid)


# ---- processes ----------------------------------------------------------------------------


def stats():
    """{pid: (parent, ticks)} of all processes."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, encoding="ascii", errors="replace") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        found[int(path.split("/")[2])] = (int(fields[1]), int(fields[11]) + int(fields[12]))
    return found


def tree(root, table):
    """root and all that descend from it."""
    members = {root}
    grown = True
    while grown:
        more = {pid for pid, (parent, _) in table.items() if parent in members} - members
        grown = bool(more)
        members |= more
    return members


def cpu_us(root):
    """User and system time of the whole gateway so far."""
    table = stats()
    return sum(table[pid][1] for pid in tree(root, table) if pid in table) * TICK_US


def cpu_us_at_rest(root):
    """The same once nothing is worked off any more: what the load left behind is charged to it."""
    deadline = time.monotonic() + 30
    last = cpu_us(root)
    quiet = 0
    while quiet < 3 and time.monotonic() < deadline:
        time.sleep(0.25)
        now = cpu_us(root)
        quiet = quiet + 1 if now - last <= TICK_US else 0
        last = now
    return last


@contextlib.contextmanager
def paused(root):
    """All processes below root stand still meanwhile; 0: none do."""
    members = tree(root, stats()) if root else []
    for pid in members:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def pin(root, core):
    """All threads of all processes of a gateway."""
    for pid in tree(root, stats()):
        for task in glob.glob(f"/proc/{pid}/task/[0-9]*"):
            try:
                os.sched_setaffinity(int(task.rsplit("/", 1)[1]), {core})
            except OSError:
                continue


# ---- load ---------------------------------------------------------------------------------


def environment(target, case):
    """What load.lua reads."""
    _, size, is_stream, _ = CASES[case]
    return dict(os.environ, BENCH_KEY=target.key, BENCH_MODEL=target.model,
                BENCH_BYTES=str(size), BENCH_STREAM="1" if is_stream else "0")


def try_once(target, case):
    """One request, so that a mistake has a readable text."""
    _, _, is_stream, _ = CASES[case]
    body = (f'{{"model":"{target.model}","stream":{"true" if is_stream else "false"},'
            '"messages":[{"role":"user","content":"hi"}]}')
    request = urllib.request.Request(target.url + PATH, body.encode(), {
        "content-type": "application/json", "authorization": "Bearer " + target.key})
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(request, timeout=10, context=trusting) as answer:
            text = answer.read()
            if answer.status != 200 or (is_stream and b"[DONE]" not in text):
                raise Failed(f"{target.variant} {case}: status {answer.status}: ...{text[-300:]!r}")
    except urllib.error.HTTPError as error:
        raise Failed(f"{target.variant} {case}: status {error.code}: {error.read()[:500]!r}") from None
    except OSError as error:
        raise Failed(f"{target.variant} {case}: {error}") from None


def load(target, case, connections, seconds, core):
    """Runs wrk: (requests, requests a second, p50, p99)."""
    done = subprocess.run(
        ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s",
         "--timeout", "10s", "-s", os.path.join(HERE, "load.lua"), target.url + PATH],
        env=environment(target, case), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False)
    line = next((l for l in done.stdout.splitlines() if l.startswith("FIGURES ")), None)
    if done.returncode != 0 or line is None:
        raise Failed(f"{target.variant} {case}: wrk: {done.stdout}{done.stderr}")
    requests, duration_us, errors, p50, p99 = (float(word) for word in line.split()[1:])
    if errors > 0 or requests == 0:
        raise Failed(f"{target.variant} {case}: {errors:.0f} errors in {requests:.0f} requests\n"
                     + done.stdout)
    return requests, requests * 1e6 / duration_us, p50, p99


def measure(target, case, args, sent):
    """One variant's turn in a round: {metric: value}."""
    before = cpu_us_at_rest(target.root)
    connections = CASES[case][3]
    with paused(args.postgres):
        requests, rps, _, _ = load(target, case, connections, args.seconds, args.load_core)
    # What the end of the load cut off was half served on average.
    cost = (cpu_us_at_rest(target.root) - before) / (requests + connections / 2)
    pin(target.root, args.load_core)
    with paused(args.postgres):
        single, _, p50, p99 = load(target, case, 1, args.latency_seconds, args.load_core)
    pin(target.root, args.gateway_core)
    sent[target.variant] = sent.get(target.variant, 0) + requests + single
    return {"cpu_us": cost, "rps": rps, "p50_us": p50, "p99_us": p99}


# ---- the report ---------------------------------------------------------------------------


def number(value):
    """Three digits or more."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def spread(values):
    """Median and range."""
    return f"{number(statistics.median(values))} ({number(min(values))}-{number(max(values))})"


def ratio(taken, case, variant, base, metric):
    """Median of the rounds' own ratios: drift of the machine between rounds cancels out."""
    pairs = zip(taken[case, variant], taken[case, base])
    return statistics.median(a[metric] / b[metric] for a, b in pairs)


def report(taken, cases, ceilings):
    """The table."""
    print(f"\n{'case':10} {'metric':7} {'nginx':>26} {'governed':>26} {'ratio':>6} {'open':>26} {'ratio':>6}")
    for case in cases:
        for metric in METRICS:
            cells = {v: spread([r[metric] for r in taken[case, v]]) for v in VARIANTS}
            print(f"{case:10} {metric:7} {cells['nginx']:>26} {cells['governed']:>26} "
                  f"{ratio(taken, case, 'governed', 'nginx', metric):6.2f} {cells['open']:>26} "
                  f"{ratio(taken, case, 'open', 'nginx', metric):6.2f}")
        print(f"{'':10} governed/open, cpu_us: {ratio(taken, case, 'governed', 'open', 'cpu_us'):.2f}")
    print("\nwithout a gateway (the load's and the provider's ceiling, both on the load's core):")
    for case in cases:
        rps, p50 = ceilings[case]
        print(f"{case:10} {number(rps):>10} requests/s   p50 {number(p50)} us")


def write_tsv(path, taken, cases):
    """For programs; README.md has the columns."""
    with open(path, "w", encoding="ascii") as f:
        f.write("case\tmetric\taigated\tnginx\tratio\n")
        for case in cases:
            for variant in VARIANTS[1:]:
                for metric in METRICS:
                    own = statistics.median(r[metric] for r in taken[case, variant])
                    base = statistics.median(r[metric] for r in taken[case, "nginx"])
                    f.write(f"{case}/{variant}\t{metric}\t{own:.2f}\t{base:.2f}\t"
                            f"{ratio(taken, case, variant, 'nginx', metric):.3f}\n")


def run(args):
    """Everything; the figures of {(case, variant): [round, ...]} are kept apart until the end."""
    with open(args.targets, encoding="ascii") as f:
        found = [Target(line.rstrip("\n")) for line in f]
    targets = {(t.variant, t.service): t for t in found}
    cases = args.cases.split(",") if args.cases else list(CASES)
    taken, ceilings, sent = {}, {}, {}
    for case in cases:
        service = CASES[case][0]
        for variant in ("direct",) + VARIANTS:
            try_once(targets[variant, service], case)
        direct = targets["direct", service]
        ceilings[case] = (load(direct, case, CASES[case][3], args.latency_seconds, args.load_core)[1],
                          load(direct, case, 1, args.latency_seconds, args.load_core)[2])
        for variant in VARIANTS:  # connections open, buffers grown, caches warm
            sent[variant] = sent.get(variant, 0) + load(
                targets[variant, service], case, CASES[case][3], 1, args.load_core)[0]
    for turn in range(args.rounds):
        for case in cases:
            for variant in VARIANTS:
                figures = measure(targets[variant, CASES[case][0]], case, args, sent)
                taken.setdefault((case, variant), []).append(figures)
                print(f"round {turn + 1} {case:10} {variant:9} "
                      + "  ".join(f"{m} {number(figures[m])}" for m in METRICS), flush=True)
    report(taken, cases, ceilings)
    write_tsv(args.out, taken, cases)
    with open(args.report, "w", encoding="ascii") as f:
        f.write(f"governed_requests {sent['governed']:.0f}\n")


def main():
    """Exit status 1 when the run is void."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("targets", "cases", "out", "report"):
        parser.add_argument("--" + name, required=True)
    for name in ("rounds", "seconds", "latency-seconds", "gateway-core", "load-core", "postgres"):
        parser.add_argument("--" + name, required=True, type=int)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # by the way of what must be undone
    try:
        run(parser.parse_args())
    except Failed as error:
        print(f"bench: the run failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
