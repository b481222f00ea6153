import pytest

from kalender.domain import block

OLD = block.wrap(
    "<b>Variabler</b><br>Rom: <a href='https://kart.no/?a&amp;b'>Sed</a><br>Eigne notat:"
)
NEW = block.wrap("<b>Løkker</b><br>Eigne notat:")
HEAD = (
    '<html>\r\n<head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'
    "<style><!-- p.MsoNormal {{margin:0cm}} --></style></head>\r\n"
)
EXCHANGE = f'{HEAD}<body lang="NO">\r\n{{}}\r\n</body>\r\n</html>\r\n'
WORD_LINE = '<p class="MsoNormal">{}<o:p></o:p></p>'
WORD = "\r\n".join(
    WORD_LINE.format(line)
    for line in (
        '<span style="font-family:&quot;Segoe UI Symbol&quot;">▼▼▼</span> <b>Variabler</b>',
        'Rom: <a href="https://kart.no/?a&amp;b">Sed</a>',
        "Eigne notat: ▲▲▲",
    )
)
RTF = (
    "<div><font size='2'><span style='font-size:11pt'>&#9660;&#9660;&#9660; <b>Variabler</b><br>\n"
    "Rom: <a href='https://kart.no/?a&amp;b'>Sed</a> &lt;https://kart.no/?a&amp;b&gt;<br>\n"
    "Eigne&nbsp;notat: &#9650;&#9650;&#9650;<br>\n"
)


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_body_becomes_the_block(nothing: str | None) -> None:
    assert block.replace(nothing, NEW) == NEW
    assert block.extract(nothing) is None
    assert not block.same(nothing, NEW)


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (EXCHANGE.format(OLD), EXCHANGE.format(NEW)),
        (EXCHANGE.format(f"<div>{OLD}</div>"), EXCHANGE.format(NEW)),
        (EXCHANGE.format(f"{OLD}<p>Mitt</p>"), EXCHANGE.format(f"{NEW}<p>Mitt</p>")),
        (EXCHANGE.format(f"<p>Mitt</p>{OLD}"), EXCHANGE.format(f"<p>Mitt</p>{NEW}")),
    ],
)
def test_a_body_as_exchange_gives_it_back_gets_the_new_block(body: str, result: str) -> None:
    assert block.replace(body, NEW) == result


def test_notes_typed_in_outlook_stay_and_words_paragraphs_go() -> None:
    notes = f"{WORD_LINE.format('Ta med PC')}\r\n<ul><li>og lader</li></ul>"
    body = f'<div class="WordSection1">\r\n{WORD}\r\n{notes}\r\n</div>'
    result = f'<div class="WordSection1">\r\n{NEW}\r\n{notes}\r\n</div>'
    assert block.same(EXCHANGE.format(body), OLD)
    assert block.replace(EXCHANGE.format(body), NEW) == EXCHANGE.format(result)


def test_notes_typed_on_the_last_line_in_outlook_keep_their_paragraph() -> None:
    body = WORD.replace("▲▲▲", "▲▲▲ Ta med <b>PC</b>")
    result = f'{NEW}<p class="MsoNormal"> Ta med <b>PC</b><o:p></o:p></p>'
    assert block.replace(body, NEW) == result


def test_styled_notes_on_the_last_line_are_not_taken_for_filling() -> None:
    body = WORD.replace("▲▲▲<o:p></o:p>", "▲▲▲<span>PC</span>")
    assert block.replace(body, NEW) == f'{NEW}<p class="MsoNormal"><span>PC</span></p>'


def test_notes_in_a_body_that_became_rtf_stay() -> None:
    body = EXCHANGE.format(RTF + "Ta med PC</span></font></div>")
    result = block.replace(body, NEW)
    assert block.same(body, OLD)
    assert block.extract(result) == "▼▼▼ Løkker Eigne notat: ▲▲▲"
    assert "<br>\nTa med PC</span></font></div>" in result
    assert "Variabler" not in result


def test_notes_typed_within_our_element_stay_within_theirs() -> None:
    body = OLD.removesuffix("</div>") + "<br>Ta med PC</div>"
    assert block.replace(body, NEW) == f"<div>{NEW}<br>Ta med PC</div>"


@pytest.mark.parametrize("lost", ["▼▼▼", "▲▲▲"])
def test_a_block_that_lost_a_mark_is_left_to_the_user(lost: str) -> None:
    body = EXCHANGE.format(OLD.replace(lost, ""))
    result = block.replace(body, NEW)
    assert result == body.replace("<div>", f"{NEW}<div>", 1).replace(f"\r\n{NEW}", f"{NEW}\r\n")
    assert block.replace(result, NEW) == result


@pytest.mark.parametrize(
    ("body", "result"),
    [
        (
            "<html><head><title>a</title></head>b</html>",
            "<html><head><title>a</title></head>{}b</html>",
        ),
        ("<html>b</html>", "<html>{}b</html>"),
        ("b", "{}b"),
        ("<!-- <body> --><BODY>b", "<!-- <body> --><BODY>{}b"),
    ],
)
def test_a_body_without_the_block_gets_it_on_top(body: str, result: str) -> None:
    assert block.replace(body, NEW) == result.format(NEW)


def test_marks_in_comments_and_attributes_are_no_marks() -> None:
    body = "<!-- ▼▼▼ --><img alt='▼▼▼'>▲▲▲<p title='▲▲▲'>b</p>"
    assert block.extract(body) is None


def test_the_topmost_of_several_blocks_is_ours() -> None:
    assert block.replace(f"▲▲▲ {OLD} a {OLD} b", NEW) == f"▲▲▲ {NEW} a {OLD} b"
    assert block.replace(f"▼▼▼ {OLD} a", NEW) == f"▼▼▼ {NEW} a"
    assert block.replace(f"▼{OLD}▲", NEW) == f"▼{NEW}▲"


def test_marks_in_our_own_texts_are_drawn_hollow() -> None:
    hostile = block.wrap("▲▲▲ ▼▼▼ ▲")
    assert hostile == "<div>▼▼▼ △△△ ▽▽▽ △ ▲▲▲</div>"
    assert block.replace(f"{hostile}a", NEW) == f"{NEW}a"


def test_what_is_never_closed_does_no_harm() -> None:
    body = f"<p>a<b>{OLD[:-6]}<i></p>b</u>"
    result = f"<p>a<b><div>{NEW}<i></p>b</u>"
    assert block.replace(body, NEW) == result
    assert block.replace(result, NEW) == result


def test_a_table_around_the_block_stays_a_table() -> None:
    body = f"<table><tr><td>{OLD}</td></tr></table>"
    assert block.replace(body, NEW) == body.replace(OLD, NEW)


def test_the_text_of_the_block_keeps_words_whole_and_lines_apart() -> None:
    html = block.wrap("<b>fet</b><span>skrift</span><br>neste&nbsp;  linje<p>x</p>&lt;y&gt;")
    assert block.extract(f"mitt {html} mitt") == "▼▼▼ fetskrift neste linje x <y> ▲▲▲"


def test_another_text_is_not_the_same() -> None:
    assert not block.same(NEW.replace("Løkker", "Løkkar"), NEW)
    assert not block.same(NEW, "<p>not a block</p>")
