"""What operators wish of a person who was looked up: asked once, written down, and said afterwards.

The paths hold the number of the look-up, as the person's page does. Its reason is kept with the act,
where the wish itself asks for none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from kalender.errors import ConfigError
from kalender.operate import releases, wishes
from kalender.operate.look_ups import LookUp
from kalender.store import acts, optouts, people
from kalender.web.asking import Asked, asking, done
from kalender.web.page import Answer, Page, PageError, PageRequest, Redirect, WebRole, not_found
from kalender.web.person import look_up_in_path
from kalender.web.reading import number_of
from kalender.web.words import say

LONGEST_SOURCE = 120  # letters of who said that somebody is to be left alone


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonWish:
    """The command under which a wish is kept, and what writes it down.

    `carry_out` takes a connection, persons, `who` and `reason`. `asks` names the words of the field
    that says why, for what a look-up's reason does not say.
    """

    command: str
    carry_out: Callable[..., object]
    asks: str | None = None


WISHES: Mapping[str, PersonWish] = {
    "again": PersonWish(command=wishes.LOOK_AGAIN, carry_out=wishes.look_again),
    "verify": PersonWish(command=wishes.VERIFY, carry_out=wishes.verify),
    "retry": PersonWish(command=wishes.RETRY, carry_out=wishes.retry),
    "out": PersonWish(command=wishes.OPT_OUT_ACT, carry_out=wishes.opt_out, asks="wish.source"),
    "in": PersonWish(command=wishes.OPT_IN_ACT, carry_out=wishes.opt_in),
    "believe": PersonWish(
        command=releases.RELEASE, carry_out=releases.believe_fs, asks="wish.reason"
    ),
}
BY_COMMAND = {wish.command: name for name, wish in WISHES.items()}


def ask(request: PageRequest) -> Answer:
    """Say what a wish of a person will do, and ask."""
    name, _, look = _wished(request)
    return asking(_asked(request, name, look))


def carry_out(request: PageRequest) -> Answer:
    """Write a wish of a person down."""
    name, wish, look = _wished(request)
    reason = request.form.get("reason", "").strip()[:LONGEST_SOURCE] if wish.asks else look.reason
    if not reason:
        return asking(_asked(request, name, look, problem="wish.no_reason"))
    who = request.session.who
    try:
        with request.site.database.write() as connection:
            wish.carry_out(connection, [look.person_id], who=who, reason=reason)
            act = acts.latest(connection, wish.command, who=who, person_id=look.person_id)
    except ConfigError:  # it is over, as the command would say
        return asking(_asked(request, name, look, problem=f"wish.{name}.over"))
    return Redirect(path=f"/look-up/{look.number}/done/{act}")


def say_done(request: PageRequest) -> Answer:
    """Say what was done about the person, by who looks."""
    look, number = look_up_in_path(request), number_of(request.path["act"])
    with request.site.database.read() as connection:
        act = None if number is None else acts.read(connection, number, who=request.session.who)
        subject = _subject(request, connection, look)
    if act is None or act.person_id != look.person_id or act.command not in BY_COMMAND:
        raise not_found()
    return done(BY_COMMAND[act.command], act, subject=subject, back=f"/look-up/{look.number}")


def _wished(request: PageRequest) -> tuple[str, PersonWish, LookUp]:
    name = request.path["wish"]
    if name not in WISHES:
        raise not_found()
    return name, WISHES[name], look_up_in_path(request)


def _asked(request: PageRequest, name: str, look: LookUp, *, problem: str | None = None) -> Asked:
    with request.site.database.read() as connection:
        lists = ", ".join(optouts.naming(connection, look.person_id))
        about = {
            "entries": wishes.recorded_entries(connection, look.person_id),
            "lists": lists or say(request.language, "wish.no_lists"),
        }
        subject = _subject(request, connection, look)
    path = f"/look-up/{look.number}"
    return Asked(
        name=name,
        action=f"{path}/wish/{name}",
        back=path,
        subject=subject,
        about=about,
        asks=WISHES[name].asks,
        longest=LONGEST_SOURCE,
        reason="" if WISHES[name].asks else look.reason,
        problem=problem,
        status=400 if problem else 200,
    )


def _subject(request: PageRequest, connection: Connection, look: LookUp) -> str:
    """Return the person as the page about them is headed; PageError where they were erased."""
    number = people.fs_number(connection, look.person_id)
    username = min(people.usernames(connection, look.person_id), default=None)
    if number is None and username is None:
        raise PageError(404, "people.no_look_up")
    return say(request.language, "person.title", number=number or username)


PAGES = (
    Page("/look-up/{number}/wish/{wish}", "person_wish", WebRole.OPERATOR, ask),
    Page(
        "/look-up/{number}/wish/{wish}",
        "person_wish_form",
        WebRole.OPERATOR,
        carry_out,
        method="POST",
    ),
    Page("/look-up/{number}/done/{act}", "person_done", WebRole.OPERATOR, say_done),
)
