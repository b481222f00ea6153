"""The text of a predecessor makes way for our block, and all else of a body stays as it is."""

import re

import pytest

from kalender.domain import block

OLD = re.compile(r"^TimePlan: (?:.|\n)*?Ikke endre denne teksten\.$", re.MULTILINE)
NEW = block.wrap("ny")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>TimePlan: x<br>Rom: A<br>Ikke endre denne teksten.</p>", NEW),
        (
            "<body><p>TimePlan: x</p><p>Ikke endre denne teksten.</p><p>Husk boka</p></body>",
            f"<body>{NEW}<p>Husk boka</p></body>",
        ),
        (
            "<div>Mitt<br>TimePlan: &aelig;&nbsp;<b>x</b>\r\n<br>Ikke endre\r\ndenne teksten.<br>Mer</div>",
            f"<div>Mitt<br>{NEW}<br>Mer</div>",
        ),
        (
            "<p><b>TimePlan: x<br>Ikke endre denne teksten.</b><br><i>n</i></p>",
            f"<p>{NEW}<br><i>n</i></p>",
        ),
        ("<p>Husk TimePlan: boka</p>", f"{NEW}<p>Husk TimePlan: boka</p>"),
        ("", NEW),
        (None, NEW),
    ],
)
def test_a_predecessors_text_makes_way_and_all_else_stays(before: str | None, after: str) -> None:
    assert block.replace_text(before, OLD, NEW) == after


def test_of_two_texts_of_a_predecessor_the_first_makes_way() -> None:
    one = "<p>TimePlan: x<br>Ikke endre denne teksten.</p>"
    assert block.replace_text(one + one, OLD, NEW) == NEW + one
