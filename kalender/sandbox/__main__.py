"""`python -m kalender.sandbox`: serve a university and print its endpoints as one line of JSON."""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Endpoints, serve


def main() -> None:
    """Serve the university that is named, or one made up for the occasion."""
    parser = argparse.ArgumentParser(prog="python -m kalender.sandbox", description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--university", type=Path, help="a directory in the systems' wire forms")
    source.add_argument("--generate", type=int, metavar="STUDENTS", help="make one of this size")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port-base", type=int, default=0, help="FS; TP and Exchange follow")
    parser.add_argument(
        "--graph", choices=("none", "half", "all"), default="none", help="who lives on Graph"
    )
    told = parser.parse_args()
    if told.university:
        if not (told.university / "university.json").exists():
            parser.error(f"{told.university} holds no university.json")
        serve(told.university, port_base=told.port_base, graph=told.graph, ready=_say)
        return
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory), students=told.generate, seed=told.seed)
        serve(Path(directory), port_base=told.port_base, graph=told.graph, ready=_say)


def _say(endpoints: Endpoints) -> None:
    sys.stdout.write(json.dumps(asdict(endpoints)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
