"""What all wishes share: the page that asks once, the form that it holds, and what says what was done.

A wish has a name, and `wish.NAME.…` are its words: `title`, `will` (what will happen), `button` and
`done`. Whoever wishes, and why, is kept by the act that is recorded; the page that says what was
done shows that act.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kalender.store.acts import Act
from kalender.web.page import Answer, ShownPage

LONGEST_REASON = 200  # letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A wish that is about to be confirmed.

    `action` is where its form goes, `back` where one goes who does not wish it, `subject` whom or
    what it is about. `about` fills the words, and `hidden` goes with the form. `asks` names the
    words of the field that says why, if there is one (`reason` is what was typed there); else
    `reason` is kept as it is. `problem` names the words of what is wrong with what was sent.
    """

    name: str
    action: str
    back: str
    subject: str
    about: Mapping[str, object] = field(default_factory=dict)
    hidden: Mapping[str, str] = field(default_factory=dict)
    asks: str | None = None
    longest: int = LONGEST_REASON
    reason: str = ""
    problem: str | None = None
    status: int = 200


def asking(asked: Asked, template: str = "wish.html", **values: object) -> Answer:
    """Return the page that asks."""
    return ShownPage(
        template=template,
        values={"asked": asked, **values},
        status=asked.status,
    )


def done(name: str, act: Act, *, subject: str, back: str) -> Answer:
    """Return the page that says what was done, as the act tells it."""
    about = {"count": act.count, "scope": act.scope}
    values = {"name": name, "act": act, "about": about, "subject": subject, "back": back}
    return ShownPage(template="done.html", values=values)
