"""Files with lists of persons: their forms, and what is said of those that cannot be read."""

from pathlib import Path

import pytest

from kalender.config.lists import OptOutList, Preferences
from kalender.errors import ListUnreadable
from kalender.sources.lists import languages_in, names_in, read, read_all

LINES = "\ufeff# from the IdM\r\nolan\r\n\r\n  56154 \r\nkari@uni.example\r\nolan\r\n"


@pytest.mark.parametrize(
    ("content", "column", "names"),
    [
        (LINES, None, ("olan", "56154", "kari@uni.example")),
        ("Username,name\nolan,Ola\n,Kari\nkari,Kari\n", "username", ("olan", "kari")),
        ('"name";"user"\n"Nordmann; Ola";"olan"\n', "user", ("olan",)),
        ("a\tuid\nx\tolan\ny\n", "uid", ("olan",)),
    ],
    ids=["lines", "commas", "quoted", "short row"],
)
def test_a_list_is_lines_or_a_column(
    content: str, column: str | None, names: tuple[str, ...]
) -> None:
    assert names_in(content.encode(), column) == names


@pytest.mark.parametrize(
    ("content", "column", "said"),
    [
        (b"", None, "it names nobody"),
        (b"\n# nobody\n \n", None, "it names nobody"),
        (b"  \n", "uid", "it is empty"),
        (b"uid,name\n", "uid", "it names nobody"),
        (b"user,name\nolan,Ola\n", "uid", "its first line does not name uid as a column"),
        (b"olan\nbj\xf8rn\n", None, "line 2 is not UTF-8: save it as UTF-8"),
    ],
)
def test_a_list_that_tells_nothing_is_never_a_list_of_nobody(
    content: bytes, column: str | None, said: str
) -> None:
    with pytest.raises(ListUnreadable) as caught:
        names_in(content, column)
    assert str(caught.value) == said


def test_languages_are_told_as_an_idm_tells_them() -> None:
    content = b"person,language\na,nb-NO\nb,en\nc,NN_no\nd,de\ne,\nf,no\n,en\n"
    assert languages_in(content, "person", "language") == {
        "a": "nb",
        "b": "en",
        "c": "nn",
        "f": "nb",
    }
    with pytest.raises(ListUnreadable, match="tells nobody's language"):
        languages_in(b"person,language\na,de\n", "person", "language")
    with pytest.raises(ListUnreadable, match="does not name person and language"):
        languages_in(b"uid,language\na,nb\n", "person", "language")


def test_a_file_that_is_missing_is_a_reading_with_its_problem(tmp_path: Path) -> None:
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.write_text("olan\n")
    lists = {"one": OptOutList(file=there), "two": OptOutList(file=gone, closed=True)}
    one, two, languages = read_all(lists, Preferences(language_file=tmp_path))
    assert (one.kind, one.names, one.problem) == ("optout", ("olan",), None)
    assert (two.kind, two.names) == ("closed", ())
    assert two.problem == f"{gone}: No such file or directory"
    assert languages.problem == f"{tmp_path}: Is a directory"
    assert read("two", lists["two"], b"kari\n").names == ("kari",)
