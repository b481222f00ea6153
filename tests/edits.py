"""Requests with one thing changed, to see that nothing but the right thing is accepted."""

import copy
from collections.abc import Iterator

from lxml import etree

from tests.ews_schema import SOAP


def edits(request: bytes) -> Iterator[bytes]:
    """Give a request with one thing changed: gone, doubled, swapped, renamed, or odd."""
    root = etree.fromstring(request)
    count = len(list(root.iter(etree.Element)))
    for position in range(count):
        for edit in (_drop, _double, _swap, _rename, _oddly, _bare):
            changed = copy.deepcopy(root)
            node = list(changed.iter(etree.Element))[position]
            if next(node.iterancestors(SOAP + "Body"), None) is not None and edit(node):
                yield etree.tostring(changed)


def _drop(node: etree._Element) -> bool:
    parent = node.getparent()
    assert parent is not None
    parent.remove(node)
    return True


def _double(node: etree._Element) -> bool:
    node.addnext(copy.deepcopy(node))
    return True


def _swap(node: etree._Element) -> bool:
    following = node.getnext()
    if following is not None:
        following.addnext(node)
    return following is not None


def _rename(node: etree._Element) -> bool:
    node.tag = f"{node.tag}s"
    return True


def _oddly(node: etree._Element) -> bool:
    for name in node.attrib:
        node.set(name, "odd")
    return bool(node.attrib)


def _bare(node: etree._Element) -> bool:
    had = bool(node.attrib)
    node.attrib.clear()
    return had
