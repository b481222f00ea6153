"""What stands in the calendars, compared with what should: ours, and people's own."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kalender.sandbox.demonstration.day import NOTE
from kalender.sandbox.installation import Installation, Json, missing_and_surplus, own_entries
from kalender.sandbox.oracle import Expected

Calendars = Mapping[str, list[Expected]]  # by address, each in time's order
PLACES = {"ews": "Exchange", "graph": "Exchange Online"}


def stands_after_move(
    installation: Installation, address: str, wanted: Sequence[Expected], old: str, new: str
) -> Iterator[tuple[str, str]]:
    """Say in words what stands at the two places of a mailbox that moved from `old` to `new`."""
    path = f"exchange/items?mailbox={address}&place="
    left_items, items = installation.get(path + old), installation.get(path + new)
    held = own_entries(items)
    is_right = not any(missing_and_surplus(wanted, held))
    events = [
        str(item["sync_key"]).rpartition("#")[0]
        for item in items
        if item["sync_key"] and item["folder"] == "calendar"
    ]
    yield f"in {PLACES[old]}", "still there" if left_items else "no mailbox any more"
    right = "all as they should be" if is_right else "not as they should be"
    yield f"in {PLACES[new]}", f"{len(held)} entries, {right}"
    yield "doubled", f"{len(events) - len(set(events))} entries"
    yield "what its user added", f"{NOTE}: {'kept' if is_noted(items) else 'lost'}"


def is_noted(items: Iterable[Json]) -> bool:
    """Whether the student's note stands in an entry of ours."""
    return any(item["sync_key"] and NOTE in str(item["body"]) for item in items)


def private_items(items: Iterable[Json]) -> dict[str, Json]:
    """Return somebody's own items by their ids, with all that is known of them."""
    return {str(item["id"]): item for item in items if item["private"]}


def touched_count(before: Mapping[str, dict[str, Json]], now: Mapping[str, list[Json]]) -> int:
    """How many items of people's own are gone, changed or new."""
    count = 0
    for address, items in before.items():
        after = private_items(now.get(address, ()))
        count += sum(items.get(each) != after.get(each) for each in {*items, *after})
    return count


def difference_count(wanted: Calendars, held: Calendars) -> int:
    """How many entries are missing, wrong, doubled or too many; a wrong one counts once."""
    count = 0
    for address in wanted.keys() | held.keys():
        missing, surplus = missing_and_surplus(wanted.get(address, []), held.get(address, []))
        count += max(len(missing), len(surplus))
    return count
