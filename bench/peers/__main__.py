"""All pairs in one go: `make bench-peers`, or `make bench-peers ARGS="--quick pgqueuer"`."""

import logging
import os
import sys
from pathlib import Path

import structlog

from bench.measure import show
from bench.parts import Part, databases, figures
from bench.peers import calendars, claims
from tests import servers


def main() -> None:
    """Print the table and write bench-peers.json; exit by whether everything was run."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    quick = "--quick" in sys.argv
    with databases(os.environ[servers.DATABASE]) as made:
        parts: dict[str, Part] = {
            "vdirsyncer": lambda: calendars.run(made.make, quick=quick),
            "pgqueuer": lambda: claims.run(made.make, quick=quick),
        }
        found = list(figures(parts, sys.argv, made))
    show(found, Path("bench-peers.json"))
    sys.exit(any(each.met is False for each in found))


if __name__ == "__main__":
    main()
