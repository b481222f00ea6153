"""What a search asks for: Microsoft's restrictions as predicates over items."""

from collections.abc import Callable

from kalender.sandbox.fields import instant, path_of, value_of
from kalender.sandbox.mailboxes import Item
from kalender.sandbox.soap import Element, SoapFault, T

Test = Callable[[Item], bool]
_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "IsEqualTo": lambda value, wanted: value.casefold() == wanted.casefold(),
    "IsNotEqualTo": lambda value, wanted: value.casefold() != wanted.casefold(),
    "IsGreaterThan": lambda value, wanted: value > wanted,
    "IsGreaterThanOrEqualTo": lambda value, wanted: value >= wanted,
    "IsLessThan": lambda value, wanted: value < wanted,
    "IsLessThanOrEqualTo": lambda value, wanted: value <= wanted,
}


def build(node: Element) -> Test:
    """Make the predicate of one search expression, or refuse one that is not known here."""
    name = node.tag[len(T) :]
    if name in {"And", "Or"}:
        return _both(name, node)
    if name == "Not":
        inner = build(node[0])
        return lambda item: not inner(item)
    value = value_of(path_of(node[0]))
    if name == "Exists":
        return lambda item: value(item) is not None
    if name == "Contains":
        return _contains(node, value)
    if name in _COMPARE:
        return _compared(_COMPARE[name], value, _constant(node))
    raise SoapFault(code="ErrorUnsupportedPathForQuery", message=f"{name} is not supported")


def _both(name: str, node: Element) -> Test:
    keys = _one_of(node) if name == "Or" else None
    if keys is not None:
        value = value_of(path_of(node[0][0]))
        return lambda item: (value(item) or "\0").casefold() in keys
    tests = [build(child) for child in node]
    if name == "And":
        return lambda item: all(test(item) for test in tests)
    return lambda item: any(test(item) for test in tests)


def _one_of(node: Element) -> frozenset[str] | None:
    """Return the values where all that is asked is whether one property is one of them."""
    if any(child.tag != T + "IsEqualTo" for child in node):
        return None
    if len({path_of(child[0]) for child in node}) != 1:
        return None
    return frozenset(_constant(child).casefold() for child in node)


def _compared(
    compare: Callable[[str, str], bool], value: Callable[[Item], str | None], wanted: str
) -> Test:
    def test(item: Item) -> bool:
        found = value(item)
        return found is not None and compare(found, wanted)

    return test


def _contains(node: Element, value: Callable[[Item], str | None]) -> Test:
    mode, wanted = node.get("ContainmentMode", "Substring"), _constant(node).casefold()

    def test(item: Item) -> bool:
        found = (value(item) or "").casefold()
        if mode.startswith("Prefix"):
            return found.startswith(wanted)
        return found == wanted if mode == "FullString" else wanted in found

    return test


def _constant(node: Element) -> str:
    path = path_of(node[0])
    found = next(node.iter(T + "Constant"), None)
    text = "" if found is None else found.get("Value", "")
    return instant(text, "UTC") if path in {"Start", "End"} else text


def ours(node: Element) -> bool:
    """Tell whether what this finds can only be items that carry a SyncKey."""
    name = node.tag[len(T) :]
    if name == "And":
        return any(ours(child) for child in node)
    if name == "Or":
        return len(node) > 0 and all(ours(child) for child in node)
    return name in {"Exists", "IsEqualTo", "Contains"} and ":SyncKey:" in path_of(node[0])


def keys(node: Element) -> list[str]:
    """Return the SyncKeys that a search names."""
    return [
        _constant(each) for each in node.iter(T + "IsEqualTo") if ":SyncKey:" in path_of(each[0])
    ]
