"""All figures in one go: `make bench` (minutes), `make bench-quick` (under three).

`make bench ARGS="claims 'real term'"` takes some parts only.
"""

import logging
import os
import sys
from pathlib import Path

import structlog

from bench import claims, cloud, fill, latency, listener, moves, pages, reading, resync, start
from bench.measure import show
from bench.parts import Part, databases, figures
from tests import servers

QUICK_STUDENTS = 150


def main() -> None:
    """Print the table and write bench.json; exit by whether all goals were met."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    quick = "--quick" in sys.argv
    amqp = os.environ[servers.AMQP]
    students = QUICK_STUDENTS if quick else None
    with databases(os.environ[servers.DATABASE]) as made:
        parts: dict[str, Part] = {
            "start": lambda: start.run(quick=quick),
            "listener": lambda: listener.run(amqp, made.make(), quick=quick),
            "claims": lambda: claims.run(made.make(), quick=quick),
            "first reading": lambda: reading.run(made.make, quick=quick),
            "big term": lambda: resync.run(made.make, quick=quick),
            "latency": lambda: latency.run(made.make, quick=quick),
            "moves": lambda: moves.run(made.make, quick=quick),
            "pages": lambda: pages.run(made.make, quick=quick, students=students),
            "real term": lambda: fill.run(made.make, students=students),
            "graph": lambda: cloud.run(made.make, students=students),
        }
        found = list(figures(parts, sys.argv, made))
    show(found, Path("bench.json"))
    sys.exit(any(each.met is False for each in found))


main()
