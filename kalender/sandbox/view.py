"""Which of the items that a search finds are shown, and in which order."""

from datetime import datetime, timedelta

from kalender.sandbox.fields import instant, path_of
from kalender.sandbox.mailboxes import Item
from kalender.sandbox.schema import Element, M, T
from kalender.sandbox.soap import Call, ItemError
from kalender.sandbox.values import comparable, kind_of, values_of

MOST_FOUND, MOST_FOUND_RESTRICTED = 1000, 250
_NOT_HERE = (
    "FractionalPageItemView",
    "FractionalPageFolderView",
    "SeekToConditionPageItemView",
    "ContactsView",
    "GroupBy",
    "DistinguishedGroupBy",
)


def check(call: Call) -> None:
    """Refuse what is not served here: what would be ignored would show too much."""
    for name in _NOT_HERE:
        if call.child(name) is not None:
            raise ItemError(code="ErrorInvalidRequest", message=f"{name} is not supported here")
    if call.child("QueryString") is not None:
        raise ItemError(code="ErrorContentIndexingNotEnabled")
    if call.child("CalendarView") is not None and (
        call.child("Restriction") is not None or call.child("SortOrder") is not None
    ):
        message = "Restrictions and sort order may not be specified for a CalendarView."
        raise ItemError(code="ErrorInvalidRequest", message=message)


def page(call: Call, found: list[Item], folder: str) -> tuple[list[Item], str]:
    """Cut out the page that is asked for, and no more than a search may find."""
    view = call.child("CalendarView")
    if view is not None:
        found = _between(view, found, folder)
        shown = found[: _most(view, MOST_FOUND)]
        return shown, _marks(len(shown), len(found))
    for order in reversed(call.node.findall(f"{M}SortOrder/{T}FieldOrder")):
        _sort(order, found)
    most = MOST_FOUND if call.child("Restriction") is None else MOST_FOUND_RESTRICTED
    part, marks = cut(call.child("IndexedPageItemView"), len(found), most)
    return found[part], marks


def _between(view: Element, found: list[Item], folder: str) -> list[Item]:
    start, end = (instant(view.get(name, ""), "UTC") for name in ("StartDate", "EndDate"))
    if folder != "calendar":
        raise ItemError(code="ErrorCalendarFolderIsInvalidForCalendarView")
    if end < start:
        raise ItemError(code="ErrorCalendarEndDateIsEarlierThanStartDate")
    if datetime.fromisoformat(end) - datetime.fromisoformat(start) > timedelta(days=731):
        raise ItemError(code="ErrorCalendarViewRangeTooBig")
    found = [i for i in found if i.fields["Start"] < end and i.fields["End"] > start]
    return sorted(found, key=lambda item: item.fields["Start"])


def _sort(order: Element, found: list[Item]) -> None:
    path = path_of(order[0])
    values, kind = values_of(path, "ErrorUnsupportedPathForSortGroup"), kind_of(path)
    key = {id(item): [comparable(kind, value) for value in values(item)] for item in found}
    found.sort(key=lambda item: key[id(item)], reverse=order.get("Order") == "Descending")


def _most(view: Element, most: int) -> int:
    asked = int(view.get("MaxEntriesReturned", most))
    if asked < 1:
        raise ItemError(code="ErrorInvalidPagingMaxRows")
    return min(asked, most)


def cut(view: Element | None, count: int, most: int) -> tuple[slice, str]:
    """Say which of `count` an indexed view shows, counted from the beginning or from the end."""
    offset, size = 0, most
    if view is not None:
        offset, size = int(view.get("Offset", 0)), _most(view, most)
    if offset < 0:
        raise ItemError(code="ErrorInvalidIndexedPagingParameters")
    following = min(offset + size, count)
    shown = slice(min(offset, count), following)
    if view is not None and view.get("BasePoint") == "End":
        shown = slice(count - following, count - shown.start)
    return shown, f'IndexedPagingOffset="{following}" {_marks(following, count)}'


def _marks(following: int, count: int) -> str:
    last = str(following >= count).lower()
    return f'TotalItemsInView="{count}" IncludesLastItemInRange="{last}"'
