"""Universities with fewer events: what is written costs time where the law does not need it."""

import json
from pathlib import Path

from kalender.sandbox.generate import generate


def generate_with_fewer_events(directory: Path, *, students: int, keep: int, of: int) -> None:
    """Make a university up, and keep the first `keep` of each `of` events of every course."""
    generate(directory, students=students)
    for path in (directory / "tp").glob("*.json"):
        answer = json.loads(path.read_text("utf-8"))
        events = answer["events"]
        answer["events"] = [event for n, event in enumerate(events) if n % of < keep]
        path.write_text(json.dumps(answer, ensure_ascii=False), "utf-8")
