"""Take so many calendars over under kills and lost answers, over EWS and over Graph.

    python -m tests.takeover CALENDARS SEED

Ends with 1 where anything is wrong, which it prints.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.installation import end_all
from tests.takeover.trial import tried

STRIKES = 3.0  # the share of points that are struck, times the calendars


def main(calendars: int, seed: int) -> int:
    """Run both trials; return how many went wrong."""
    share = min(0.03, STRIKES / calendars)
    failed = 0
    for on_graph in (False, True):
        name = "graph" if on_graph else "ews"
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as directory:
            trial = tried(Path(directory) / name, calendars, seed, on_graph=on_graph, share=share)
        entries = sum(len(written.ids) for written in trial.written.values())
        said = f"{name}: {len(trial.boxes)} calendars, {entries} entries of the predecessor"
        said += f", {trial.reaper.killed} kills, {trial.reaper.lost} lost answers"
        print(f"{said}, {time.monotonic() - began:.0f} s: {len(trial.wrong)} wrong")  # noqa: T201
        for line in trial.wrong[:40]:
            print(f"  {line}")  # noqa: T201
        failed += bool(trial.wrong)
    end_all()
    return failed


if __name__ == "__main__":
    sys.exit(min(main(int(sys.argv[1]), int(sys.argv[2])), 1))
