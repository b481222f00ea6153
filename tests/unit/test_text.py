import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalender.domain.text import clean, cut, one_line
from tests.answers import chosen_events

PIECES = (
    st.sampled_from(["<", ">", "&", "amp;", "lt;", "#13;", "&nbsp;", "&#0;", "&#xD800;", "a", '"'])
    | st.sampled_from(
        ["<p>", "</p>", "<br>", "<li>", "</a>", "<b", "script>", "<style>", "String>"]
    )
    | st.sampled_from(["<!--", "-->", "</style>", "<a href='https://x.no/?a=1&copy=2'>"])
    | st.sampled_from("• \n\0\x85\ud800\ufeff")
)
ANY_TEXT = st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join))


@given(ANY_TEXT)
def test_cleaning_never_fails_and_is_done_at_once(html: str) -> None:
    text = clean(html)
    assert clean(text) == text


@given(ANY_TEXT)
def test_clean_text_is_legal_in_xml_and_has_no_surplus_white_space(html: str) -> None:
    text = clean(html)
    assert all(char == "\n" or char >= " " for char in text)
    assert not any("\ud800" <= char <= "\udfff" or char in "\ufffe\uffff" for char in text)
    assert text == text.strip()
    assert "\n\n\n" not in text
    assert all(line == line.strip() for line in text.split("\n"))


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("Ingen forelesning ", "Ingen forelesning"),
        ("<p>en</p><p>to</p>", "en\nto"),
        ("en<br>to<BR/>tre", "en\nto\ntre"),
        ("<ul>\n<li><p>en</p></li>\n<li>to\n fortsatt</ul>tre", "• en\n• to fortsatt\ntre"),
        ("Kjære alle,&#13;&#10;Gr. 4\xa0- kl&nbsp;12", "Kjære alle,\nGr. 4 - kl 12"),
        ("a\r\n\r\n\r\n\r\nb", "a\n\nb"),
        ("&aelig;&#248;&#xe5;", "æøå"),
        ("to ganger &amp;amp;aring;", "to ganger å"),
        ("today&#39;s", "today's"),
        ("<<<<<b>b>b>b>b>dypt", "dypt"),
        ("a<script>alert('</p>')</script>b<style>p {}</style>c<!-- d -->", "abc"),
        ("List<String> og 1 < 2 && 3 > 2", "List<String> og 1 < 2 && 3 > 2"),
        ("<tr><td>a</td><td>b</td></tr>", "a b"),
        ("fet<b>skrift</b><o:p></o:p>", "fetskrift"),
        ("null\x00\x08\ud800\ufffftegn", "nulltegn"),
        ('<a title="x > y" href="https://a.no/">a</a>', "a (https://a.no/)"),
        ("<a href=https://a.no/?a=1&copy=2>her</a>", "her (https://a.no/?a=1&copy=2)"),
        ("<a href='https://a.no/?a&amp;b'><b>https://a.no/?a&amp;b</b></a>", "https://a.no/?a&b"),
        ("<a href='https://a.no'></a>", "https://a.no"),
        ("<a href='mailto:a@b.no'>a@b.no</a>", "a@b.no"),
        ("<a href='javascript:x()'>her</a> <a href='/lokal'>der</a> <a>x</a>", "her der x"),
    ],
)
def test_html_becomes_the_text_a_reader_sees(html: str, text: str) -> None:
    assert clean(html) == text


def test_text_escaped_deeper_than_any_honest_one_ends_without_marks() -> None:
    html = "b>"
    for _ in range(40):
        html = f"<{html}b>"
    assert not set(clean(html)) & set("<&")


def test_curricula_and_alerts_become_clean_text() -> None:
    events = chosen_events().values()
    texts = [clean(event.get("curr") or "") for event in events]
    texts += [clean(alert["message"]) for event in events for alert in event["alerts"]]
    assert "• Boka kap. 6\n• https://tidevann.example/nå" in "\n".join(texts)
    assert not any(set("<>&") & set(text) for text in texts)


def test_one_line_has_single_blanks_only() -> None:
    assert one_line(" a\r\n\u2028b\xa0\t\x01c ") == "a b c"


@given(st.text(), st.integers(min_value=2, max_value=300))
def test_cut_text_fits_and_begins_as_the_text(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short.encode("utf-16-le", "surrogatepass")) // 2 <= limit
    assert text.startswith(short.removesuffix("…"))
    assert cut(short, limit) == short


def test_text_that_fits_is_not_cut() -> None:
    assert cut("x" * 255) == "x" * 255


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("en to tre", 6, "en to…"),
        ("en to tre", 7, "en to…"),
        ("en to tre", 8, "en to…"),
        ("entotre", 4, "ent…"),
        ("😀😀😀", 5, "😀😀…"),
        ("😀😀😀", 4, "😀…"),
    ],
)
def test_text_is_cut_after_a_whole_word(text: str, limit: int, short: str) -> None:
    assert cut(text, limit) == short
