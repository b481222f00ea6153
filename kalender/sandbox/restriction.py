"""What a search asks for: Microsoft's restrictions as predicates over items."""

import operator
from collections.abc import Callable

from kalender.sandbox.fields import path_of
from kalender.sandbox.mailboxes import Item
from kalender.sandbox.schema import Element, T
from kalender.sandbox.soap import ItemError
from kalender.sandbox.values import comparable, constant, kind_of, values_of

Test = Callable[[Item], bool]
_COMPARE: dict[str, Callable[[float | str, float | str], bool]] = {
    "IsEqualTo": operator.eq,
    "IsNotEqualTo": operator.ne,
    "IsGreaterThan": operator.gt,
    "IsGreaterThanOrEqualTo": operator.ge,
    "IsLessThan": operator.lt,
    "IsLessThanOrEqualTo": operator.le,
}


def build(node: Element) -> Test:
    """Make the predicate of one search expression, or refuse one that is not known here."""
    name = node.tag[len(T) :]
    if name in {"And", "Or"}:
        return _both(name, node)
    if name == "Not":
        inner = build(node[0])
        return lambda item: not inner(item)
    values = values_of(path_of(node[0]))
    if name == "Exists":
        return lambda item: bool(values(item))
    if name == "Contains":
        return _contains(node)
    if name in _COMPARE:
        return _compared(name, node)
    raise ItemError(code="ErrorUnsupportedPathForQuery", message=f"{name} is not supported")


def _both(name: str, node: Element) -> Test:
    keys = _one_of(node) if name == "Or" else None
    if keys is not None:
        path = path_of(node[0][0])
        values, kind = values_of(path), kind_of(path)
        return lambda item: any(comparable(kind, value) in keys for value in values(item))
    tests = [build(child) for child in node]
    if name == "And":
        return lambda item: all(test(item) for test in tests)
    return lambda item: any(test(item) for test in tests)


def _one_of(node: Element) -> frozenset[float | str] | None:
    """Return the values where all that is asked is whether one property is one of them."""
    if any(child.tag != T + "IsEqualTo" or _other(child) is not None for child in node):
        return None
    if len({path_of(child[0]) for child in node}) != 1:
        return None
    kind = kind_of(path_of(node[0][0]))
    return frozenset(comparable(kind, _constant(child)) for child in node)


def _other(node: Element) -> Element | None:
    """Return the property that another one is compared with, if it is one."""
    return None if node[1][0].tag == T + "Constant" else node[1][0]


def _compared(name: str, node: Element) -> Test:
    compare, path, other = _COMPARE[name], path_of(node[0]), _other(node)
    values, kind = values_of(path), kind_of(path)
    if other is not None:
        others = values_of(path_of(other))
        return lambda item: any(
            compare(comparable(kind, a), comparable(kind, b))
            for a in values(item)
            for b in others(item)
        )
    wanted = comparable(kind, _constant(node))
    return lambda item: any(compare(comparable(kind, value), wanted) for value in values(item))


_CONTAINED: dict[str, Callable[[str, str], bool]] = {
    "FullString": operator.eq,
    "Prefixed": str.startswith,
    "Substring": operator.contains,
    "PrefixOnWords": lambda value, wanted: f" {wanted}" in f" {value}",
    "ExactPhrase": lambda value, wanted: f" {wanted} " in f" {value} ",
}


def _contains(node: Element) -> Test:
    path = path_of(node[0])
    if kind_of(path) != "String":
        raise ItemError(code="ErrorContainsFilterWrongType")
    values, wanted = values_of(path), node[1].get("Value", "")
    test = _CONTAINED[node.get("ContainmentMode", "FullString")]
    if node.get("ContainmentComparison", "Exact") in {"Exact", "IgnoreNonSpacingCharacters"}:
        return lambda item: any(test(value, wanted) for value in values(item))
    folded = wanted.casefold()
    return lambda item: any(test(value.casefold(), folded) for value in values(item))


def _constant(node: Element) -> str:
    return constant(path_of(node[0]), node[1][0].get("Value", ""))


def ours(node: Element) -> bool:
    """Tell whether what this finds can only be items that carry a SyncKey."""
    name = node.tag[len(T) :]
    if name == "And":
        return any(ours(child) for child in node)
    if name == "Or":
        return all(ours(child) for child in node)
    return name in {"Exists", "IsEqualTo", "Contains"} and ":SyncKey:" in path_of(node[0])


def mark(node: Element) -> str:
    """Return the named property, category or part of a body that all carry which this finds, or nothing."""
    name = node.tag[len(T) :]
    if name == "And":
        return next(filter(None, map(mark, node)), "")
    path = path_of(node[0]) if name in {"Exists", "IsEqualTo", "Contains"} else ""
    return path if ":" in path or path in {"Categories", "Body"} else ""


def keys(node: Element) -> list[str]:
    """Return the SyncKeys that a search names."""
    named = [each for each in node.iter(T + "IsEqualTo") if ":SyncKey:" in path_of(each[0])]
    return [_constant(each) for each in named if _other(each) is None]
