"""Random changes by several administrators at once, held against a model: what the API shows, what the rows
say and which requests are served agree at every step, also while control is killed again and again.

AIGATED_MODEL_S sets how long (10 s each by default), AIGATED_MODEL_SEED which: the seed is printed."""

import collections
import os
import random
import threading
import time

import pytest

from gateway import wait
from world import Lost, World

SECONDS = float(os.environ.get("AIGATED_MODEL_S", "10"))
SEED = int(os.environ.get("AIGATED_MODEL_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
CLIENTS = 3


class Administrator(threading.Thread):
    """One client: steps until the time is over or something is wrong."""

    def __init__(self, world, until):
        super().__init__(daemon=True)
        self.world, self.until, self.steps, self.wrong = world, until, 0, None
        self.start()

    def run(self):
        try:
            while time.monotonic() < self.until:
                self.world.step()
                self.steps += 1
                if self.steps % 10 == 0:
                    self.world.compare_reads()
                if self.steps % 25 == 0:
                    self.world.compare_rows()
        except Exception as error:  # noqa: BLE001  told by finish(), with the seed
            self.wrong = error


def finish(administrators):
    for one in administrators:
        one.join(120)
        assert not one.is_alive(), "it hangs"
    for one in administrators:
        if one.wrong:
            print("\n".join(one.world.history))
            raise AssertionError(f"seed {SEED}, step {one.steps} of {one.world.prefix}: {one.wrong!r}") from one.wrong
    for one in administrators:
        one.world.compare_reads()
        one.world.compare_rows()
        one.world.probe(20)


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("deadly", [False, True], ids=["alive", "control dies"])
def test_what_administrators_do_is_what_is_served(gateway_factory, mock, deadly):
    print(f"AIGATED_MODEL_SEED={SEED}")
    gateway = gateway_factory(mock=mock, conf={"admin_rate": "0", "max_meters": "65536", "max_keys": "65536"})
    until = time.monotonic() + SECONDS
    administrators = [Administrator(World(gateway, mock, f"a{n}", SEED + n), until) for n in range(CLIENTS)]
    deaths, dice = 0, random.Random(SEED)
    if deadly:
        gateway.expect_error("control died of signal 9")
    while deadly and time.monotonic() < until and not any(a.wrong for a in administrators):
        steps = sum(a.steps for a in administrators) + dice.randint(5, 60)
        wait(lambda: sum(a.steps for a in administrators) >= steps or time.monotonic() >= until
             or any(a.wrong for a in administrators), "some steps", 120)
        pid = gateway.kill9("control")
        gateway.wait_new("control", 0, pid)
        deaths += 1
    finish(administrators)
    done = {}
    for one in administrators:
        for name, n in one.world.done.items():
            done[name] = done.get(name, 0) + n
    fates = sum((one.world.fates for one in administrators), collections.Counter())
    print(f"{sum(done.values())} changes, {deaths} deaths: {done}; requests by status: {dict(fates)}")
    assert fates[200] and len(fates) > 2, "hardly anything was tried"
