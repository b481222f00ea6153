"""The views of `views.sql` as Python names them: a question that has a view is asked through it.

Only the columns that are asked for are named here; `kalender/store/database.py` makes the views.
"""

from sqlalchemy import Integer, String, case, column, table

from kalender.store.sql import Instant, db_now

# Work that is not parked: what waits, what is claimed, and what is tried again later.
dirty_now = table(
    "dirty_now",
    column("kind", String),
    column("key", String),
    column("priority", Integer),
    column("first_marked_at", Instant),
    column("due_at", Instant),
    column("not_before", Instant),
    column("attempts", Integer),
    column("claimed_until", Instant),
    column("last_error", String),
)
# When work may be claimed, and whether it may now.
ready_at = case(
    (dirty_now.c.not_before > dirty_now.c.due_at, dirty_now.c.not_before), else_=dirty_now.c.due_at
)
is_due = ready_at <= db_now()
# Work that was laid aside until somebody looks.
parked = table(
    "parked",
    column("kind", String),
    column("key", String),
    column("parked_at", Instant),
    column("attempts", Integer),
    column("last_error", String),
)
# Each group that nobody is placed on, in a course that somebody is registered for.
courses_without_placements = table(
    "courses_without_placements", column("course", String), column("semester", String)
)
# Usernames that TP names as staff, and that no calendar belongs to; one row for each course.
unmatched_staff = table("unmatched_staff", column("username", String))
