"""Our block in an entry's body: found again, compared and replaced; all else stays as it is.

Exchange and Outlook rewrite a body as they like: ids, classes and comments go, elements are
split, merged and nested anew, HTML becomes RTF and HTML again. What they keep is the visible
text. So the block begins with `▼▼▼` and ends with `▲▲▲`, both readable on the page, and the
block is what stands from the one to the other, however it is dressed by then. Triangles within
our own texts are drawn hollow, so that no title can look like a mark.

- Of several blocks (a pasted copy) the topmost is ours: the first `▲▲▲` that has a `▼▼▼` before
  it, from the last such `▼▼▼`. The rest is the user's.
- What stands before `▼▼▼` and after `▲▲▲`, on the same lines too, is the user's and stays byte
  for byte. Elements that held nothing but our block go with it; one that the block was only a
  part of is closed before the new block, or opened again after it.
- No pair of marks: the user took ours out, or one of the two. The new block is put on top and
  all that stands is kept; the remains of a block with a lost mark are the user's to delete.
- What a user writes between the marks is lost with the next change, as the last line says.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

from kalender.domain.text import MARKUP

START = "▼▼▼"
END = "▲▲▲"
_HOLLOW = str.maketrans("▼▲", "▽△")
_DOWN = r"(?:▼|&#0*9660;|&#[xX]0*25[bB][cC];)"
_UP = r"(?:▲|&#0*9650;|&#[xX]0*25[bB]2;)"
# In the masked text markup is \0. The start is the last of a longer row: the others are the user's.
_START = re.compile(rf"{_DOWN}\0*{_DOWN}\0*{_DOWN}(?!\0*{_DOWN})")
_END = re.compile(rf"{_UP}\0*{_UP}\0*{_UP}")
_PIECE = re.compile(rf"{MARKUP.pattern}|&#?\w{{1,31}};|.", re.DOTALL | re.IGNORECASE)
_PICTURE = re.compile(r"<(?:img|object|v:imagedata)\b", re.IGNORECASE)
_BLANK = " \t\r\n\f"
_FILLING = frozenset(["font", "o:p", "span"])
_INLINE = frozenset(["a", "b", "em", "i", "strong", "u", *_FILLING])
_SHELLS = frozenset(["blockquote", "center", "div", "p", "pre", *_INLINE])
_UNSEEN = re.compile(
    r"<\s*(?:https?|mailto):[^<>]*>|[\s\u200b\u200c\u200d\u2060\ufeff]+", re.IGNORECASE
)


def wrap(inner: str) -> str:
    """Make the block of a well-formed fragment of HTML whose texts are escaped."""
    return f"<div>{START} {inner.translate(_HOLLOW)} {END}</div>"


def replace(html: str | None, new_block: str) -> str:
    """Return the body with our block replaced, or put on top where it has none."""
    html = html or ""
    region = _find(html)
    if region is None:
        top = _top(html)
        return html[:top] + new_block + html[top:]
    return _with_block(region, new_block)


def replace_text(html: str | None, pattern: re.Pattern[str], new_block: str) -> str:
    """Return the body with our block in the place of the first text that the pattern finds.

    The pattern goes by the visible text, in which each element that is no part of a line, and each
    break, is one line break, and all other white space one blank. All else stays byte for byte.
    Where it finds nothing the block is put where `replace` puts it.
    """
    html = html or ""
    region = _found(html, pattern)
    return replace(html, new_block) if region is None else _with_block(region, new_block)


def without_text(html: str | None, pattern: re.Pattern[str]) -> str:
    """Return the body without the first text that the pattern finds, as `replace_text` finds it."""
    html = html or ""
    region = _found(html, pattern)
    return html if region is None else _with_block(region, "")


def _found(html: str, pattern: re.Pattern[str]) -> "_Region | None":
    """Return where the first text stands that the pattern finds; blanks at its ends do not count."""
    seen, spans = _visible(html)
    match = pattern.search(seen)
    found = match[0] if match is not None else ""
    if match is None or not found.strip():
        return None
    first = match.start() + len(found) - len(found.lstrip())
    last = match.start() + len(found.rstrip()) - 1
    return _region(html, spans[first][0], spans[last][1])


def holds_line(html: str | None, line: str) -> bool:
    """Tell whether a text stands in the visible text of a body."""
    return line in _visible(html or "")[0]


def _visible(html: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the visible text, and for each letter of it from where to where it stands in HTML."""
    seen: list[str] = []
    spans: list[tuple[int, int]] = []
    for piece in _PIECE.finditer(html):
        markup = MARKUP.fullmatch(piece[0]) if piece[0][0] == "<" else None
        if markup is not None:
            is_inline = (markup["name"] or "").lower() in _INLINE
            letters = "" if is_inline or not markup["name"] else "\n"
        else:
            letters = unescape(piece[0])
        for letter in letters:
            if not letter.isspace():
                seen.append(letter)
                spans.append(piece.span())
                continue
            blank = "\n" if markup is not None else " "
            if seen and seen[-1].isspace():
                seen[-1] = "\n" if "\n" in (seen[-1], blank) else " "
                spans[-1] = (spans[-1][0], piece.end())
            else:
                seen.append(blank)
                spans.append(piece.span())
    return "".join(seen), spans


def extract(html: str | None) -> str | None:
    """Return the visible text of our block on one line, or None where there is none."""
    region = _find(html or "")
    if region is None:
        return None
    text = MARKUP.sub(_blank, region.html[region.start : region.end])
    return " ".join(unescape(text).split())


def same(html: str | None, block: str) -> bool:
    """Tell whether the body shows just what `block` does, white space and link targets apart."""
    text, block_text = extract(html), extract(block)
    return text is not None and block_text is not None and _squeeze(text) == _squeeze(block_text)


def has_notes(html: str | None) -> bool:
    """Tell whether anything but our block can be seen in the body: text, or a picture."""
    html = html or ""
    region = _find(html)
    parts = [html] if region is None else [html[: region.start], html[region.end :]]
    remainders = [_PICTURE.sub("#", part[_top(part) :]) for part in parts]
    return any(_squeeze(unescape(MARKUP.sub(_blank, part))) for part in remainders)


@dataclass(frozen=True, slots=True)
class _Tag:
    start: int
    end: int
    name: str
    closing: bool


@dataclass(slots=True)
class _Region:
    """From `start` to `end` in the text; its tags are `left` (included) to `right` (not)."""

    html: str
    tags: list[_Tag]
    partner: dict[int, int]
    start: int
    end: int
    left: int
    right: int
    unclosed: int = 0  # how many of its elements end after it

    def widen(self) -> None:
        """Take in, step by step, the elements that hold nothing but the block."""
        inner = range(self.left, self.right)
        self.unclosed = sum(self.partner.get(i, 0) >= self.right for i in inner)
        while self._take_left() or self._take_right() or self._take_shell() or self._take_filling():
            pass

    def loose_ends(self) -> tuple[str, str]:
        """Return the closing tags of what began before, the opening ones of what ends after."""
        inner = range(self.left, self.right)
        begun_before = [i for i in inner if self.partner.get(i, self.left) < self.left]
        ending_after = [i for i in inner if self.partner.get(i, self.left) >= self.right]
        return self._source(begun_before), self._source(ending_after)

    def _source(self, tags: list[int]) -> str:
        return "".join(self.html[self.tags[i].start : self.tags[i].end] for i in tags)

    def _before(self) -> int | None:
        """Return the partner of the tag that opens right before the region."""
        index = self.left - 1
        if index < 0 or self.html[self.tags[index].end : self.start].strip(_BLANK):
            return None
        tag = self.tags[index]
        return None if tag.closing or tag.name not in _SHELLS else self.partner.get(index)

    def _after(self) -> int | None:
        """Return the partner of the tag right after the region."""
        if self.right >= len(self.tags):
            return None
        tag = self.tags[self.right]
        if tag.name not in _SHELLS or self.html[self.end : tag.start].strip(_BLANK):
            return None
        return self.partner.get(self.right)

    def _take_left(self) -> bool:
        """Take in an element that opens right before the region and ends within it."""
        partner = self._before()
        if partner is None or partner >= self.right:
            return False
        self.left -= 1
        self.start = self.tags[self.left].start
        return True

    def _take_right(self) -> bool:
        """Take in the end, right after the region, of an element that begins within it."""
        partner = self._after()
        if partner is None or not self.left <= partner < self.right:
            return False
        self.end = self.tags[self.right].end
        self.right += 1
        self.unclosed -= 1
        return True

    def _take_shell(self) -> bool:
        """Take in an element that holds the region and nothing else."""
        if self._before() != self.right or self._after() != self.left - 1:
            return False
        self.left -= 1
        self.start = self.tags[self.left].start
        self.unclosed += 1
        return self._take_right()

    def _take_filling(self) -> bool:
        """Take in an empty element that Word put at the end of the marker's line."""
        partner = self._after()
        if not self.unclosed or partner != self.right + 1:
            return False
        if self.tags[self.right].name not in _FILLING:
            return False
        first, closing_tag = self.tags[self.right], self.tags[partner]
        if self.html[first.end : closing_tag.start].strip(_BLANK):
            return False
        self.end, self.right = closing_tag.end, partner + 1
        return True


def _find(html: str) -> _Region | None:
    """Find our block, with the elements that hold nothing else."""
    masked = MARKUP.sub(lambda markup: "\0" * len(markup[0]), html)
    starts = [mark.start() for mark in _START.finditer(masked)]
    for mark in _END.finditer(masked):
        before = [start for start in starts if start < mark.start()]
        if before:
            return _region(html, before[-1], mark.end())
    return None


def _region(html: str, start: int, end: int) -> _Region:
    """Return what stands from here to there, with the elements that hold nothing else."""
    tags = list(_tags(html))
    left, right = (sum(tag.start < place for tag in tags) for place in (start, end))
    region = _Region(html, tags, _pair(tags), start, end, left, right)
    region.widen()
    return region


def _with_block(region: _Region, new_block: str) -> str:
    closing_tags, opening_tags = region.loose_ends()
    html = region.html
    return html[: region.start] + closing_tags + new_block + opening_tags + html[region.end :]


def _tags(html: str) -> Iterator[_Tag]:
    for markup in MARKUP.finditer(html):
        name = (markup["name"] or "").lower()
        if name:
            yield _Tag(*markup.span(), name, bool(markup["close"]))


def _pair(tags: list[_Tag]) -> dict[int, int]:
    """Return each tag's other end; what is never closed, or was never opened, has none."""
    partner: dict[int, int] = {}
    open_tags: list[int] = []
    names: Counter[str] = Counter()
    for index, tag in enumerate(tags):
        if not tag.closing:
            open_tags.append(index)
            names[tag.name] += 1
        elif names[tag.name]:
            while True:  # take off the open tags down to the one of that name
                opening = open_tags.pop()
                names[tags[opening].name] -= 1
                if tags[opening].name == tag.name:
                    break
            partner |= {opening: index, index: opening}
    return partner


def _top(html: str) -> int:
    """Return where the body's content begins."""
    for name, closing in (("body", False), ("head", True), ("html", False)):
        for tag in _tags(html):
            if (tag.name, tag.closing) == (name, closing):
                return tag.end
    return 0


def _blank(markup: re.Match[str]) -> str:
    return "" if (markup["name"] or "").lower() in _INLINE else " "


def _squeeze(text: str) -> str:
    return _UNSEEN.sub("", text)
