"""Every error that Exchange has a name for means something to us."""

import inspect

import exchangelib.errors

from kalender.calendars.verdicts import TABLE, WORDS, Meaning, meaning


def test_every_error_class_of_exchangelib_has_a_meaning() -> None:
    classes = inspect.getmembers(exchangelib.errors, inspect.isclass)
    names = {name for name, each in classes if issubclass(each, Exception)}
    assert len(names) > 400
    assert names - TABLE.keys() == set()


def test_nothing_has_two_meanings() -> None:
    from kalender.calendars import verdicts  # noqa: PLC0415

    groups = [getattr(verdicts, f"_{each.name}").split() for each in Meaning]
    assert sum(map(len, groups)) == len(TABLE)


def test_every_meaning_has_words_for_the_operator() -> None:
    assert WORDS.keys() == set(Meaning)


def test_a_code_that_is_new_to_us_passes_by_itself() -> None:
    assert meaning("ErrorOfNextYear") is Meaning.LATER
