"""`python -m tests.drills incident|restore|level`: play one, print it, exit by how it ended."""

import sys
from collections.abc import Callable

from tests.drills import incident, level, restore

PLAYS: dict[str, Callable[[], object]] = {
    "incident": incident.play,
    "restore": restore.play,
    "level": level.play,
}

if sys.argv[1:] not in [[name] for name in PLAYS]:
    sys.exit(f"which drill? {', '.join(PLAYS)}")
PLAYS[sys.argv[1]]()
