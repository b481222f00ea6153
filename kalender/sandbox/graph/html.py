"""Bodies as Exchange gives them back: a whole document, CRLF, short lines, nothing unsafe."""

import re
from html import escape

from kalender.sandbox.mailboxes import Item
from kalender.sandbox.shape import plain

_META = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
_PREVIEW = 255
_WIDTH = 100
_UNSAFE = re.compile(
    r"<(script|iframe|object|applet|form|svg)\b.*?</\1\s*>"
    r"|</?(?:script|iframe|object|applet|form|svg|embed|link|base|input|button)\b[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_HANDLER = re.compile(r"\son\w+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)
_TAG = re.compile(r"<[a-z][^>]*>", re.IGNORECASE)
_SCRIPT_LINK = re.compile(r"(href|src)\s*=\s*([\"'])\s*javascript:[^\"']*\2", re.IGNORECASE)
_AFTER_BLOCK = re.compile(
    r"(</(?:div|p|table|tr|ul|ol|li|head)>|<br>|<div[^>]*>)(?!\r\n)", re.IGNORECASE
)
_PARTS = re.compile(r"(<!--.*?-->|<[^>]*>)", re.DOTALL)


def document(appointment: Item, *, unsafe: bool) -> str:
    """Return the body as a document of HTML; what is unsafe is left out unless it is asked for."""
    text = appointment.fields.get("Body", "")
    if appointment.fields.get("BodyType", "Text") != "HTML":
        lines = escape(text, quote=False).replace("\r\n", "\n").split("\n")
        text = f'<div class="PlainText">{"<br>".join(lines)}</div>' if text else ""
    if not unsafe:
        text = _TAG.sub(lambda tag: _HANDLER.sub("", tag[0]), _UNSAFE.sub("", text))
        text = _SCRIPT_LINK.sub(r"\1=\2\2", text)
    text = re.sub(r"\r\n|\r|\n", "\r\n", text)
    if "<html" not in text[:200].lower():
        text = (
            f"<html>\r\n<head>\r\n{_META}\r\n</head>\r\n<body>\r\n{text}\r\n</body>\r\n</html>\r\n"
        )
    return text if "<pre" in text.lower() else _narrow(_AFTER_BLOCK.sub("\\1\r\n", text))


def text_of(appointment: Item) -> str:
    """Return the body as text."""
    text = appointment.fields.get("Body", "")
    text = plain(text) if appointment.fields.get("BodyType") == "HTML" else text
    return re.sub(r"\r\n|\r|\n", "\r\n", text)


def preview(appointment: Item) -> str:
    """Return the beginning of the text."""
    return text_of(appointment).strip()[:_PREVIEW]


def _narrow(text: str) -> str:
    """Break long lines at blanks between words; within tags and comments nothing is broken."""
    made, column = list[str](), 0
    for part in _PARTS.split(text):
        if not part.startswith("<"):
            for word in re.split(r"(?= )", part):
                ends = word.find("\r\n")
                width = len(word) if ends < 0 else ends
                if column + width > _WIDTH and word.startswith(" ") and column:
                    made.append("\r\n")
                    column = 0
                made.append(word)
                column = len(word) - ends - 2 if ends >= 0 else column + len(word)
                if ends >= 0:
                    column = len(word) - word.rfind("\r\n") - 2
            continue
        made.append(part)
        last = part.rfind("\n")
        column = len(part) - last - 1 if last >= 0 else column + len(part)
    return "".join(made)
