import re
from collections.abc import Callable
from html import escape, unescape
from xml.etree import ElementTree as ET

from hypothesis import assume, given
from hypothesis import strategies as st

from kalender.domain import block
from kalender.domain.text import one_line

WORDS = st.text(st.sampled_from("ab ø▼▲<>&;'\"\xa0/"), max_size=12).filter(
    lambda text: not ("▼▼▼" in text or "▲▲▲" in text)
)
HOSTILE = st.sampled_from(
    ["▼▼▼", "▲▲▲", "</div>", "<!--", "&#9650;&#9650;&#9650;", "<b>", "&", "\ud83d\ude00", "<style>"]
)
BLOCKS = (
    st.lists(st.one_of(WORDS, HOSTILE, st.text(max_size=5)), max_size=4)
    .map(lambda parts: escape(one_line("".join(parts))))
    .map(lambda inner: block.wrap(f"<b>{inner}</b> <a href='https://x.no/'>x</a>"))
)
TEXTS = WORDS.map(escape)
TAGS = ["p", "div", "span", "b", "font", "ul", "o:p", "a", "td", "pre"]


def element(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda tag, inner: f"<{tag} class='x'>{inner}</{tag}>", st.sampled_from(TAGS), children
    )


LEAVES = st.one_of(
    TEXTS, st.sampled_from(["<br />", "<!-- ▼▼▼ -->", "<img alt='▲▲▲' />", "\r\n", ""])
)
NOTES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(element(inner), st.lists(inner, max_size=3).map("".join)),
    max_leaves=8,
)
PAGE = (
    "<html>\r\n<head><meta charset='utf-8' /><style>p {{}}</style></head>\r\n<body>{}</body></html>"
)
PAGES = st.sampled_from([PAGE, "<html><body lang='nb'>\r\n{}</body></html>", "{}"])
RAW = st.lists(
    st.one_of(
        HOSTILE,
        WORDS,
        st.sampled_from(
            [
                "<p>",
                "</p>",
                "<div>",
                "</b>",
                "-->",
                "<body>",
                "</head>",
                "<html>",
                "</style>",
                "<a '",
                '"',
            ]
        ),
    ),
    max_size=12,
).map("".join)


def words(text: str) -> str:
    """What is seen of HTML, without white space."""
    return "".join(unescape(re.sub(r"(?s)<!--.*?-->|<style>.*?</style>|<[^>]*>", "", text)).split())


def as_word_leaves_it(text: str) -> str:
    """Every bold run its own paragraph, filled up as Word does, the marks as numbers."""
    inner = text.removeprefix("<div>").removesuffix("</div>").replace("▼", "&#9660;")
    end = "<o:p></o:p></p>"
    inner = inner.replace("<b>", f"{end}<p class='MsoNormal'><b>").replace(
        "▲▲▲", "▲<span>▲</span>▲"
    )
    return f"<p class='MsoNormal'>{inner}{end}"


def as_rtf_leaves_it(text: str) -> str:
    """No element of ours, each piece in a font."""
    inner = re.sub(r"</?div>|<a [^>]*>|</a>", "", text)
    return f"<font size='2'><span>{inner.replace('<b>', '</span><b>').replace('</b>', '</b><span>')}</span></font>"


DRESSED = st.sampled_from([str, as_word_leaves_it, as_rtf_leaves_it])


@given(PAGES, NOTES, BLOCKS, BLOCKS, NOTES)
def test_only_the_block_is_replaced_byte_for_byte(
    page: str, above: str, old: str, new: str, below: str
) -> None:
    assume(block.extract(above) is None)
    assert block.replace(page.format(above + old + below), new) == page.format(above + new + below)


@given(PAGES, NOTES, BLOCKS, BLOCKS, NOTES, DRESSED)
def test_what_a_user_wrote_outlives_the_block_however_it_is_dressed(
    page: str, above: str, old: str, new: str, below: str, dress: Callable[[str], str]
) -> None:
    assume(block.extract(above) is None)
    body = page.format(f"<div class='WordSection1'>{above}{dress(old)}{below}</div>")
    result = block.replace(body, new)
    assert words(result) == words(above) + words(new) + words(below)
    assert block.replace(result, new) == result
    ET.fromstring(f"<r xmlns:o='o'>{result}</r>")  # noqa: S314


@given(BLOCKS, BLOCKS, WORDS, WORDS, st.sampled_from(["p", "div", "span", "b"]), DRESSED)
def test_words_on_the_lines_of_the_marks_stay(
    old: str, new: str, first: str, last: str, tag: str, dress: Callable[[str], str]
) -> None:
    dressed = dress(old)
    inner = re.sub(
        r"(?s)^(.*?)(▼|&#9660;)", lambda m: f"{m[1]}{escape(first)}{m[2]}", dressed, count=1
    )
    head, mark, tail = inner.rpartition("▲")
    result = block.replace(f"<{tag}>{head}{mark}{escape(last)}{tail}</{tag}>", new)
    assert words(result) == words(escape(first)) + words(new) + words(escape(last))
    assert block.replace(result, new) == result
    ET.fromstring(f"<r xmlns:o='o'>{result}</r>")  # noqa: S314


@given(PAGES, NOTES, BLOCKS, BLOCKS)
def test_a_body_without_the_block_gets_it_on_top_and_keeps_all(
    page: str, notes: str, first: str, second: str
) -> None:
    assume(block.extract(notes) is None)
    body = page.format(notes)
    assert block.replace(body, first).replace(first, "", 1) == body
    assert words(block.replace(body, first)) == words(first) + words(notes)
    assert block.replace(block.replace(body, first), second) == block.replace(body, second)


@given(st.one_of(RAW, st.text()), BLOCKS, BLOCKS)
def test_no_body_at_all_confuses_it(body: str, first: str, second: str) -> None:
    result = block.replace(body, first)
    assert block.replace(result, second) == block.replace(body, second)
    assert block.same(result, first)


@given(PAGES, NOTES, BLOCKS, BLOCKS, NOTES, DRESSED)
def test_the_block_shows_the_same_however_it_is_dressed(
    page: str, above: str, old: str, new: str, below: str, dress: Callable[[str], str]
) -> None:
    assume(block.extract(above) is None)
    body = page.format(above + dress(old) + below)
    assert block.same(body, old)
    assert block.same(body, new) == block.same(old, new)


@given(NOTES, BLOCKS, BLOCKS, NOTES)
def test_a_pasted_copy_below_is_the_users(above: str, old: str, new: str, below: str) -> None:
    assume(block.extract(above) is None)
    result = block.replace(above + old + below + old, new)
    assert words(result) == words(above + new + below + old)
