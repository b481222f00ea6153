"""What people do to entries in their calendars, as Exchange would keep it afterwards."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from kalender.sandbox.fields import instant
from kalender.sandbox.mailboxes import DEFAULTS, SERIES, Item, Mailbox, joined, listed

_FIELDS = {
    "subject": "Subject",
    "location": "Location",
    "show_as": "LegacyFreeBusyStatus",
    "body": "Body",
    "body_type": "BodyType",
    "start": "Start",
    "end": "End",
}
_HEAD = (
    '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head>'
    '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
    '<meta name="Generator" content="Microsoft Word 15 (filtered medium)"></head>'
    '<body lang="NO" style="word-wrap:break-word"><div class="WordSection1">'
)
Told = Mapping[str, Any]


def find(box: Mailbox, told: Told) -> Item:
    """Return the item that an id names, or the oldest in the calendar with a SyncKey."""
    for item in box.items.values():
        if _meant(item, told):
            return item
    raise LookupError(told.get("id", told.get("sync_key")))


def _meant(item: Item, told: Told) -> bool:
    if told.get("do") == "touch-private":
        return item.private
    if "id" in told:
        return item.id == str(told["id"])
    return item.folder == "calendar" and item.sync_key == told["sync_key"]


def meddle(box: Mailbox, told: Told) -> Item:
    """Do what is told; return the item after it, under the id it then has."""
    return _DEEDS[told["do"]](box, find(box, told), told)


def add(box: Mailbox, told: Told) -> Item:
    """Put an item into the calendar: the person's own, or what another service wrote.

    Another service's is not `private`, and may have named `properties`, by set, name and type; a
    `series` stands for several meetings.
    """
    fields = {**DEFAULTS, **_fields(told)}
    fields.setdefault("Start", "2025-09-01T10:00:00Z")
    fields.setdefault("End", fields["Start"])
    if told.get("series"):
        fields[SERIES] = "weekly"
    properties = told.get("properties", {})
    return box.add(fields, tuple(properties.items()), private=told.get("private", True))


def _fields(told: Told) -> dict[str, str]:
    fields = {name: str(told[word]) for word, name in _FIELDS.items() if word in told}
    for name in {"Start", "End"} & fields.keys():
        fields[name] = instant(fields[name], "UTC")
    if "Body" in fields:
        fields.setdefault("BodyType", "HTML")
    if "categories" in told:
        fields["Categories"] = joined(told["categories"])
    for word, name in (("reminder_is_set", "ReminderIsSet"), ("all_day", "IsAllDayEvent")):
        if word in told:
            fields[name] = "true" if told[word] else "false"
    if "attendees" in told:
        fields["RequiredAttendees"] = joined(told["attendees"])
    return fields


def _set(box: Mailbox, item: Item, told: Told) -> Item:
    props = dict(item.props)
    props |= told.get("properties", {})
    if "new_sync_key" in told:
        path = next((path for path in props if ":SyncKey:" in path), "")
        props |= {path: str(told["new_sync_key"])} if path else {}
    box.write(item, {**item.fields, **_fields(told)}, tuple(props.items()))
    return item


def _annotate(box: Mailbox, item: Item, told: Told) -> Item:
    text, kind = item.fields.get("Body", ""), item.fields.get("BodyType")
    if kind != "HTML":
        text = "".join(f'<p class="MsoNormal">{escape(line)}</p>' for line in text.split("\n"))
    inner = text.partition("<body")[2].partition(">")[2].rpartition("</body>")[0] or text
    note = f'<p class="MsoNormal">{escape(told["text"])}<o:p></o:p></p>'
    body = f"{_HEAD}{inner}{note}</div></body></html>"
    box.write(item, {**item.fields, "Body": body, "BodyType": "HTML"})
    return item


def _attach(box: Mailbox, item: Item, told: Told) -> Item:
    item.attachments = (*item.attachments, str(told["name"]))
    box.write(item, item.fields)
    return item


def _invite(box: Mailbox, item: Item, told: Told) -> Item:
    people = [*listed(item.fields.get("RequiredAttendees")), str(told["attendee"])]
    box.write(item, {**item.fields, "RequiredAttendees": joined(people)})
    return item


def _hold_online(box: Mailbox, item: Item, _: Told) -> Item:
    box.write(item, {**item.fields, "IsOnlineMeeting": "true"})
    return item


def _copy(box: Mailbox, item: Item, _: Told) -> Item:
    copy = box.add(item.fields, item.props, private=item.private)
    copy.attachments = item.attachments
    return copy


def _touch(box: Mailbox, item: Item, _: Told) -> Item:
    box.exchange.touch(item)
    return item


_DEEDS: dict[str, Callable[[Mailbox, Item, Told], Item]] = {
    "edit": _set,
    "set": _set,
    "annotate": _annotate,
    "attach": _attach,
    "invite": _invite,
    "hold-online": _hold_online,
    "copy": _copy,
    "touch-private": _touch,
    "delete": lambda box, item, _: box.move(item, "deleteditems"),
    "move": lambda box, item, told: box.move(item, str(told.get("folder", "other"))),
}
