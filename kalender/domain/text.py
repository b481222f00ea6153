"""HTML as others write it, made plain text; and text cut to fit. Nothing here ever raises.

Only what HTML knows as a tag is taken for one: `List<String>` is text and stays.
"""

import re
from html import escape, unescape
from unicodedata import normalize

# A tag never reaches beyond the next `<`, so that no hostile piece can swallow its neighbour;
# an unclosed comment, script or style hides all that follows, as it does in a browser.
_ATTRIBUTES = r"""(?:(?:[^<>"']|"[^"<]*"|'[^'<]*')*+|[^<>]*)"""
MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<raw>script|style)\b[^<>]*>.*?(?:</(?P=raw)\s*>|\Z)"
    r"|<[!?][^<>]*>"
    rf"|<(?P<close>/?)(?P<name>[a-z][\w:.-]*){_ATTRIBUTES}>",
    re.DOTALL | re.IGNORECASE,
)
_LINK = re.compile(
    rf"""<a\b(?P<attributes>{_ATTRIBUTES})>(?P<label>(?>(?:(?!</?a\b).)*))</a\s*>""",
    re.DOTALL | re.IGNORECASE,
)
_HREF = re.compile(r"""\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_ABSOLUTE = re.compile(r"(?:mailto:|(?=https?://))(\S+)", re.IGNORECASE)
# Without the semicolon it may be part of an address: `?a=1&copy=2`.
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});", re.IGNORECASE)
_ESCAPED_AND = re.compile(r"&(?:(?:amp|#38|#x26);)+", re.IGNORECASE)
_NEWLINE = re.compile("\r\n?|[\v\f\x85\u2028\u2029]")
_ILLEGAL = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAK = "\0"  # illegal in the text itself, hence free to mark where a block begins or ends
_BREAKS = re.compile(r"[ \n\0]*\0[ \n\0]*")
_BLOCK = re.compile(
    "address|article|aside|blockquote|body|center|dd|div|dl|dt|footer|form|h[1-6]|head|header|hr"
    "|html|li|main|nav|ol|p|pre|section|table|tbody|tfoot|thead|title|tr|ul"
)
_INLINE = re.compile(
    "a|abbr|audio|b|base|big|button|caption|cite|code|col|colgroup|del|dfn|em|embed|figcaption"
    "|figure|font|i|iframe|img|input|ins|kbd|label|link|map|mark|meta|noscript|object|option|param"
    "|q|s|samp|script|select|small|source|span|strike|strong|style|sub|sup|svg|textarea|time|tt|u"
    "|var|video|wbr|[a-z]+:.*"  # the last are Word's own
)
_LAYERS = 8


def clean(html: str) -> str:
    """Return the text of HTML (or of plain text with entities): lines, "• " items, `text (url)`.

    Legal in XML, at most one blank line in a row, none at the ends; cleaning it again changes
    nothing: what was escaped twice is taken off twice. Deeper than any honest text is escaped,
    the marks themselves go.
    """
    text = html
    for _ in range(_LAYERS):
        cleaner = _peel(text)
        if cleaner == text:
            return text
        text = cleaner
    return _tidy(re.sub("[<&]", " ", text))


def one_line(text: str) -> str:
    """Return clean text as one line: every run of white space is one blank."""
    line = " ".join(text.split())
    return line if line.isprintable() else " ".join(_ILLEGAL.sub("", line).split())


def without_unseen(text: str) -> str:
    """Return a name without what nobody sees: marks of no width, control characters, odd blanks.

    Neither a NUL nor half of a surrogate pair stays, which no database and no header takes. Letters
    are composed (NFC), so that `Å` is one letter whoever wrote it.
    """
    if not text.isprintable():
        text = "".join(char for char in text if char.isprintable())
    return (text if text.isascii() else normalize("NFC", text)).strip()


def cut(text: str, limit: int = 255) -> str:
    """Return text of at most `limit` UTF-16 code units, cut after a whole word and ended by `…`.

    Exchange counts UTF-16 code units; there are never fewer of these than characters. A single
    word that is longer is cut within.
    """
    if _units(text) <= limit:
        return text
    head = text[: limit - 1]
    while _units(head) >= limit:
        head = head[:-1]
    whole = head if text[len(head)].isspace() else re.sub(r"\s\S*\Z", "", head)
    return whole.rstrip() + "…"


def _units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)


def _peel(text: str) -> str:
    """Take off one layer of markup and entities."""
    if "<" not in text and "&" not in text:
        return _tidy(text)
    text = _ILLEGAL.sub("", _NEWLINE.sub("\n", text))
    if any(_shown(markup) != markup[0] for markup in MARKUP.finditer(text)):
        text = re.sub(r"\s+", " ", text)  # in HTML a line break of the source is a blank
    text = MARKUP.sub(_shown, _LINK.sub(_link, text))
    text = _BREAKS.sub("\n", text.replace("• \0", "• "))
    return _tidy(_decode(text))


def _decode(text: str) -> str:
    return _ENTITY.sub(lambda entity: unescape(entity[0]), _ESCAPED_AND.sub("&", text))


def _tidy(text: str) -> str:
    text = _ILLEGAL.sub("", _NEWLINE.sub("\n", text))
    lines = (re.sub(r"[^\S\n]+", " ", line).strip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _link(link: re.Match[str]) -> str:
    """Return a link's text, and its address where that says more; a relative one says nothing."""
    label = " ".join(MARKUP.sub(_shown, link["label"]).replace(_BREAK, " ").split())
    href = _HREF.search(link["attributes"])
    url = _ABSOLUTE.fullmatch(_decode("".join(href.groups(""))).strip() if href else "")
    if url is None or url[1] == _decode(label):
        return label
    escaped = escape(url[1])
    return f"{label} ({escaped})" if label else escaped


def _shown(markup: re.Match[str]) -> str:
    """Return what a piece of markup leaves in the text; what is no tag of HTML stays."""
    name = (markup["name"] or "").lower()
    if name == "br":
        return "\n"
    if name == "li" and not markup["close"]:
        return f"{_BREAK}• "
    if _BLOCK.fullmatch(name):
        return _BREAK
    if name in {"td", "th"}:
        return " "
    return "" if not name or _INLINE.fullmatch(name) else markup[0]
