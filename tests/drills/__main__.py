"""`python -m tests.drills incident|restore|level`: play one, print it, exit by how it ended."""

import sys

from tests.drills import incident, level, restore
from tests.drills.town import town

DRILLS = {"incident": incident, "restore": restore, "level": level}

if sys.argv[1:] not in [[name] for name in DRILLS]:
    sys.exit(f"which drill? {', '.join(DRILLS)}")
drill = DRILLS[sys.argv[1]]
with town(students=drill.STUDENTS, more=drill.SETTINGS) as house:
    drill.play(house)
