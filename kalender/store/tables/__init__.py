"""Every table and column; the migrations make exactly these.

The five indexes with a condition are in `partial_indexes.py`.
"""

from kalender.store.tables.columns import metadata
from kalender.store.tables.entries import change_log, entry, move, move_announced, stray_key
from kalender.store.tables.mirror import (
    course_run,
    fan_out,
    placement,
    registration,
    source_reading,
    teaching_activity,
    teaching_event,
    teaching_role,
    teaching_staff,
    unreadable_item,
)
from kalender.store.tables.operation import (
    acknowledgement,
    brake,
    broker_seen,
    certificate,
    database_identity,
    heartbeat,
    let_through,
    look_up,
    neighbour,
    operator_act,
    process_memory,
    queue_seen,
    settings_waiting,
    tally,
)
from kalender.store.tables.people import (
    calendar,
    identity,
    person,
    preference,
    rollout,
    rollout_member,
    username_claim,
)
from kalender.store.tables.work import dirty, due_later, rejected_notification

__all__ = [
    "acknowledgement",
    "brake",
    "broker_seen",
    "calendar",
    "certificate",
    "change_log",
    "course_run",
    "database_identity",
    "dirty",
    "due_later",
    "entry",
    "fan_out",
    "heartbeat",
    "identity",
    "let_through",
    "look_up",
    "metadata",
    "move",
    "move_announced",
    "neighbour",
    "operator_act",
    "person",
    "placement",
    "preference",
    "process_memory",
    "queue_seen",
    "registration",
    "rejected_notification",
    "rollout",
    "rollout_member",
    "settings_waiting",
    "source_reading",
    "stray_key",
    "tally",
    "teaching_activity",
    "teaching_event",
    "teaching_role",
    "teaching_staff",
    "unreadable_item",
    "username_claim",
]
