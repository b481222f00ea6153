"""The answers of `why` say the same in every language: the same checks and cases, the same facts."""

import re

import pytest

from kalender.domain.work import Cause
from kalender.operate.answers import LANGUAGES
from kalender.operate.answers.english import ENGLISH

FACT = re.compile(r"<|>|\{\w+\}")


def facts(sentence: str) -> list[str]:
    return sorted(FACT.findall(sentence))


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_each_language_has_every_answer_with_the_same_facts(language: str) -> None:
    words = LANGUAGES[language]
    assert words.so.keys() == ENGLISH.so.keys()
    assert words.not_so.keys() == ENGLISH.not_so.keys()
    assert words.facts.keys() == ENGLISH.facts.keys()
    assert words.causes.keys() == {cause.label for cause in Cause}
    for name, sentence in words.so.items():
        assert facts(sentence) == facts(ENGLISH.so[name]), name
    for name, pair in words.not_so.items():
        assert [*map(facts, pair)] == [*map(facts, ENGLISH.not_so[name])], name


def test_each_check_can_be_so_and_not_so() -> None:
    assert {name.partition(".")[0] for name in ENGLISH.not_so} == {
        name.partition(".")[0] for name in ENGLISH.so
    }
