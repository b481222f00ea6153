"""Every error that Exchange has a name for means something to us."""

import inspect

import exchangelib.errors
import pytest
from lxml import etree

from kalender.calendars.ews.error_codes import TABLE, WORDS, Meaning, meaning
from tests import ews_schema


def test_every_error_class_of_exchangelib_has_a_meaning() -> None:
    classes = inspect.getmembers(exchangelib.errors, inspect.isclass)
    names = {name for name, each in classes if issubclass(each, Exception)}
    assert len(names) > 400
    assert names - TABLE.keys() == set()


def test_nothing_has_two_meanings() -> None:
    from kalender.calendars.ews import error_codes  # noqa: PLC0415

    tables = [each for each in Meaning if each is not Meaning.STRANGE]  # what is in no table
    groups = [getattr(error_codes, f"_{each.name}").split() for each in tables]
    assert sum(map(len, groups)) == len(TABLE)


def test_every_meaning_has_words_for_the_operator() -> None:
    assert WORDS.keys() == set(Meaning)


def test_a_code_that_is_in_no_schema_is_said_to_be_unknown() -> None:
    assert meaning("ErrorOfNextYear") is Meaning.STRANGE
    assert "unknown code" in WORDS[Meaning.STRANGE]


def test_every_response_code_of_the_schema_has_a_meaning() -> None:
    """Microsoft's schema of 15.2.2562.17 lists 520 errors, exchangelib 11 more names of errors."""
    assert len([name for name in TABLE if name.startswith("Error")]) == 531
    place = ews_schema.directory()
    schema = etree.parse(ews_schema.file_in(place, "messages.xsd"))
    [codes] = schema.iterfind(".//*[@name='ResponseCodeType']")
    names = {value for code in codes.iter() if (value := code.get("value"))} - {"NoError"}
    assert names - TABLE.keys() == set()


@pytest.mark.parametrize(
    ("code", "which"),
    [
        ("ErrorCannotFindUser", Meaning.MISSING),
        ("ErrorServiceUnavailable", Meaning.LATER),
        ("ErrorOrganizationAccessBlocked", Meaning.NEIGHBOUR),
        ("ErrorAccessDeniedDueToCompliance", Meaning.DENIED),
        ("ErrorParsingXMLResponse", Meaning.UNKNOWN),
        ("ErrorInvalidPhotoSize", Meaning.REFUSED),
    ],
)
def test_codes_that_exchangelib_lacks_have_the_meaning_of_their_kind(
    code: str, which: Meaning
) -> None:
    assert meaning(code) is which
