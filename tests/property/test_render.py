import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from kalender.domain import block
from kalender.domain.model import (
    ActivityKey,
    Content,
    EventStatus,
    Link,
    Room,
    Staff,
    TeachingEvent,
)
from kalender.domain.render import Language, Style, changed_fields, fingerprint, render
from kalender.domain.text import one_line

HOSTILE = st.sampled_from(
    ["</div>", "<b>", "▲▲▲", "▼▼▼", "&lt;", '"', "'", "<!--", "{title}", "\0"]
)
TEXT = st.lists(st.one_of(HOSTILE, st.text(max_size=8)), max_size=4).map("".join)
URL = st.builds(
    "{}{}".format, st.sampled_from(["https://x.no/", "HTTP://x", "javascript:", ""]), TEXT
)
TIMES = st.datetimes(datetime(2025, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ROOMS = st.builds(Room, room_id=TEXT, name=TEXT, building=TEXT, url=URL, digital=st.booleans())
EVENTS = st.builds(
    TeachingEvent,
    activity=st.just(ActivityKey("IN1000", "1", "25h", 1, "2-6")),
    event_id=st.just("1"),
    starts_at=TIMES,
    ends_at=TIMES,
    status=st.sampled_from(EventStatus),
    staff=st.none() | st.lists(st.builds(Staff, username=TEXT, name=TEXT), max_size=2).map(tuple),
    method=st.sampled_from(["FOR", "OBLOPPG", "XYZ", ""]),
    method_name=TEXT,
    title=st.one_of(TEXT, st.text(min_size=250, max_size=300)),
    summary=TEXT,
    curriculum=TEXT,
    compulsory=st.booleans(),
    rooms=st.lists(ROOMS, max_size=3).map(tuple),
    alerts=st.lists(TEXT, max_size=2).map(tuple),
    resources=st.lists(st.builds(Link, name=TEXT, url=URL), max_size=2).map(tuple),
)
LANGUAGES: list[Language] = ["nb", "nn", "en"]
STYLES = st.builds(
    Style,
    institution=TEXT,
    language=st.sampled_from(LANGUAGES),
    subject=st.sampled_from(["{course} {kind}: {title}", "{title} ({course})", ""]),
    contact=st.none() | TEXT,
)
COURSES = st.lists(st.sampled_from(["IN1000", "IN2000", "IN3000"]), max_size=4).map(tuple)


class Tags(HTMLParser):
    """The tags of a body, in order; anything but a tag or text is a mistake."""

    def __init__(self, body: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.feed(body)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        assert all(
            name == "href" and re.match("(?i)https?://", value or "") for name, value in attrs
        )

    def handle_endtag(self, tag: str) -> None:
        self.seen.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


@given(EVENTS, COURSES, STYLES)
def test_an_entry_is_fit_for_exchange_whatever_the_texts(
    event: TeachingEvent, courses: tuple[str, ...], style: Style
) -> None:
    content = render(event, courses, style)
    for text in (content.subject, content.location):
        assert len(text.encode("utf-16-le")) <= 2 * 255
        assert text == one_line(text)
    assert not re.search("[\0-\x1f\ud800-\udfff\ufffe\uffff]", content.body)
    assert content.show_as in {"busy", "free"}


@given(EVENTS, COURSES, STYLES)
def test_the_body_is_one_block_of_plain_tags(
    event: TeachingEvent, courses: tuple[str, ...], style: Style
) -> None:
    body = render(event, courses, style).body
    left = re.sub(r" (b /b|a /a|br)\b", "", "".join(f" {tag}" for tag in Tags(body).seen))
    assert left == " div /div"
    assert block.replace(f"{body}<p>mitt</p>", "") == "<p>mitt</p>"


@given(EVENTS, COURSES, STYLES)
def test_equal_inputs_give_equal_bytes_in_any_order_of_courses(
    event: TeachingEvent, courses: tuple[str, ...], style: Style
) -> None:
    content = render(event, courses, style)
    again = render(replace(event), tuple(reversed(courses)), replace(style))
    assert again == content
    assert fingerprint(again) == fingerprint(content)


CONTENTS = st.builds(
    Content,
    subject=TEXT,
    body=TEXT,
    location=TEXT,
    starts_at=TIMES,
    ends_at=TIMES,
    show_as=st.sampled_from(["busy", "free"]),
)


@given(CONTENTS, CONTENTS)
def test_the_fields_that_changed_are_those_that_differ(old: Content, new: Content) -> None:
    fields = {
        name
        for name in ("subject", "body", "location", "show_as")
        if getattr(old, name) != getattr(new, name)
    }
    if (old.starts_at, old.ends_at) != (new.starts_at, new.ends_at):
        fields.add("time")
    assert changed_fields(fingerprint(old), fingerprint(new)) == fields


@given(CONTENTS, st.integers(min_value=-12, max_value=12))
def test_an_instant_is_the_same_in_every_zone(content: Content, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    moved = replace(content, starts_at=content.starts_at.astimezone(zone))
    assert fingerprint(moved) == fingerprint(content)
