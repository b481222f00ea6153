"""A signal that comes at any moment ends a process: also while the event that it sets is looked at."""

import subprocess
import sys

# Whoever is told to stop waits for it in its first thread, where signals are handled too.
SCRIPT = r"""
import os, subprocess, sys
from kalender.liveness import stop_on_signals

stop = stop_on_signals()

tells = f"import os\nfor _ in range(100_000): os.kill({os.getpid()}, 15)"
sender = subprocess.Popen([sys.executable, "-c", tells])
while sender.poll() is None:
    stop.clear()
    stop.wait(0.0001)
os.kill(os.getpid(), 15)
assert stop.wait(10)
print("ended")
"""


def test_a_signal_at_any_moment_is_heard_and_blocks_nobody() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
