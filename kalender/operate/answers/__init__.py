"""What `kalender why` says of each check, in English, Bokmål and Nynorsk.

A key is a check's name, or its name and case. A part in `<` and `>` is left out where a fact in it
is empty.
"""

from collections.abc import Mapping
from typing import Final

from kalender.operate.answers.bokmal import BOKMAL
from kalender.operate.answers.english import ENGLISH
from kalender.operate.answers.nynorsk import NYNORSK
from kalender.operate.answers.words import AnswerWords

LANGUAGES: Final[Mapping[str, AnswerWords]] = {"en": ENGLISH, "nb": BOKMAL, "nn": NYNORSK}
