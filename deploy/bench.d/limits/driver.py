"""Asks the three strategies of limits along traces, in real time, each trace with a key of its own."""

import json
import os
import sys
import threading
import time
from importlib.metadata import version

from limits import RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

STRATEGIES = {
    "limits, fixed window": FixedWindowRateLimiter,
    "limits, sliding window counter": SlidingWindowCounterRateLimiter,
    "limits, moving window": MovingWindowRateLimiter,
}

question = json.load(sys.stdin)
window = question["window_seconds"]
item = RateLimitItemPerSecond(question["limit"], window)


def storage():
    """A connection of its own, as a process would have; the server may need a moment to be there."""
    made = storage_from_string(os.environ["BENCH_REDIS_URL"])
    deadline = time.monotonic() + 5
    while not made.check():
        if time.monotonic() > deadline:
            sys.exit("error: Redis is not there")
        time.sleep(0.025)
    return made


def follow(limiters, key, due, begin, answers):
    for number, at in enumerate(due):
        time.sleep(max(0.0, begin + at * window - time.monotonic()))
        sent = (time.monotonic() - begin) / window
        admitted = limiters[number % len(limiters)].hit(item, key)
        answers.append([sent, (time.monotonic() - begin) / window, admitted])


def measure(name, strategy):
    """What one process admits and what three do, at once."""
    runs = [(replicas, [strategy(storage()) for _ in range(replicas)], trace) for replicas in question["replicas"]
            for trace in question["traces"]]
    made = {replicas: {"name": f"{name}, Redis", "replicas": replicas, "time": "real", "answers": {}}
            for replicas in question["replicas"]}
    # At the beginning of a window of those that count by the clock.
    begin = time.monotonic() + window - time.time() % window + 0.001
    threads = []
    for replicas, limiters, trace in runs:
        answers = made[replicas]["answers"].setdefault(trace, [])
        due = question["traces"][trace]
        key = f"{name} {replicas} {trace}"
        threads.append(threading.Thread(target=follow, args=(limiters, key, due, begin, answers)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return list(made.values())


contestants = [run for name, strategy in STRATEGIES.items() for run in measure(name, strategy)]
redis_version = os.environ["BENCH_REDIS_VERSION"]
print(json.dumps({"version": f"limits {version('limits')}, Redis {redis_version}", "contestants": contestants}))
