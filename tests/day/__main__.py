"""Play the scripted day and write down all that could be seen of it.

    python -m tests.day OUTPUT

To compare two commits, record the day on one of them (`make day OUTPUT=/tmp/before.txt`), record it
on the other one (`make day OUTPUT=/tmp/after.txt`), and `diff` the two files. The files themselves
are not committed. Two runs on one commit write the same file.
"""

import argparse
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from kalender.sandbox.generate import generate
from tests.day.masks import masks
from tests.day.play import play
from tests.day.record import Recorder
from tests.drills.town import NIGHT
from tests.e2e.house import House
from tests.served import start

STUDENTS = 12


def main() -> None:
    """Record one day into the file that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m tests.day")
    parser.add_argument("output", type=Path)
    output: Path = parser.parse_args().output
    today = datetime.fromtimestamp(time.time(), UTC).date()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        generate(directory, students=STUDENTS)
        with start(directory) as sandbox:
            url = f"sqlite:///{directory}/kalender.db"
            house = House(directory, directory, sandbox, url, NIGHT, "epost:INSTITUSJON")
            settings = house.config.read_text("utf-8").replace("uio.example", "uni.example")
            settings = settings.replace("processes = 2", "processes = 1")
            house.config.write_text(settings.replace("connections = 3", "connections = 1"), "utf-8")
            recorder = Recorder(house, masks(directory, today))
            play(recorder)
    output.write_text(recorder.text(), "utf-8")


if __name__ == "__main__":
    main()
