"""What every refusal of Graph means: the whole table of codes, and each status without a code."""

import pytest

from kalender.calendars.graph import error_codes
from kalender.calendars.graph.error_codes import (
    TABLE,
    WORDS,
    WRITES,
    Meaning,
    Operation,
    meaning,
    words,
)

CREATE, UPDATE, DELETE, GET, FIND = Operation
EVERYWHERE = tuple(Operation)
READS = (GET, FIND)
OF_EVENTS = (UPDATE, DELETE, GET)

# operations, status, code, meaning
VERDICTS: list[tuple[tuple[Operation, ...], int, str, Meaning]] = [
    *(
        (operations, 500, code, verdict)
        for code in ("ErrorInternalServerError", "InternalServerError", "generalException", "")
        for operations, verdict in (
            (tuple(sorted(WRITES)), Meaning.UNKNOWN),
            (READS, Meaning.LATER),
        )
    ),
    *(
        (tuple(sorted(WRITES)), status, code, Meaning.UNKNOWN)
        for status, code in (
            (502, ""),
            (503, "UnknownError"),
            (504, "UnknownError"),
            (503, "ErrorInternalServerTransientError"),
            (503, "serviceNotAvailable"),
            (503, "ConcurrentItemSave"),
            (409, "ConcurrentItemSave"),
            (503, "ErrorItemNotFound"),  # whatever its code says
            (501, "ErrorOfNextYear"),
            (302, ""),
        )
    ),
    (READS, 503, "UnknownError", Meaning.LATER),
    (READS, 409, "ConcurrentItemSave", Meaning.LATER),
    ((CREATE,), 409, "", Meaning.UNKNOWN),
    ((CREATE,), 409, "ErrorOfNextYear", Meaning.UNKNOWN),
    ((UPDATE, DELETE), 409, "", Meaning.CONFLICT),
    *(
        (operations, 412, code, verdict)
        for code in ("ErrorIrresolvableConflict", "resourceModified", "entityTagDoesNotMatch", "")
        for operations, verdict in (
            ((UPDATE, DELETE), Meaning.CONFLICT),
            ((CREATE, GET, FIND), Meaning.LATER),
        )
    ),
    *(
        (EVERYWHERE, 429, code, Meaning.LATER)
        for code in ("ApplicationThrottled", "activityLimitReached", "TooManyRequests", "")
    ),
    (EVERYWHERE, 509, "activityLimitReached", Meaning.LATER),
    (EVERYWHERE, 509, "", Meaning.LATER),
    (EVERYWHERE, 424, "FailedDependency", Meaning.LATER),
    (EVERYWHERE, 424, "ErrorItemNotFound", Meaning.LATER),
    *(
        (operations, 404, code, verdict)
        for code in ("ErrorItemNotFound", "itemNotFound")
        for operations, verdict in (
            (OF_EVENTS, Meaning.GONE),
            ((CREATE, FIND), Meaning.MISSING),
        )
    ),
    *(
        (EVERYWHERE, 404, code, Meaning.MISSING)
        for code in (
            "MailboxNotEnabledForRESTAPI",
            "ErrorInvalidUser",
            "Request_ResourceNotFound",
            "ResourceNotFound",
            "ErrorNonExistentMailbox",
            "ErrorMailboxConfiguration",
        )
    ),
    *(
        (EVERYWHERE, 403, code, Meaning.DENIED)
        for code in ("ErrorAccessDenied", "accessDenied", "AccessRestricted")
    ),
    (EVERYWHERE, 403, "Authorization_RequestDenied", Meaning.NEIGHBOUR),
    (EVERYWHERE, 401, "InvalidAuthenticationToken", Meaning.UNAUTHORISED),
    (EVERYWHERE, 401, "", Meaning.UNAUTHORISED),
    (EVERYWHERE, 401, "ErrorAccessDenied", Meaning.UNAUTHORISED),
    (OF_EVENTS, 403, "ErrorCannotDeleteObject", Meaning.GONE),
    *(
        (EVERYWHERE, status, code, Meaning.LATER)
        for status in (403, 507)
        for code in ("ErrorQuotaExceeded", "quotaLimitReached")
    ),
    *(
        (OF_EVENTS, 400, code, Meaning.GONE)
        for code in ("ErrorInvalidIdMalformed", "ErrorInvalidMailboxItemId")
    ),
    *(
        (EVERYWHERE, 400, code, Meaning.REFUSED)
        for code in (
            "ErrorInvalidRequest",
            "ErrorInvalidProperty",
            "ErrorPropertyValidationFailure",
            "RequestBodyRead",
            "ErrorInvalidArgument",
        )
    ),
    (EVERYWHERE, 400, "TimeZoneNotSupportedException", Meaning.NEIGHBOUR),  # concerns all entries
    *((EVERYWHERE, status, "", Meaning.REFUSED) for status in (413, 415, 422)),
    *((EVERYWHERE, 403, code, Meaning.LATER) for code in ("notAllowed", "resourceLocked")),
    (EVERYWHERE, 423, "", Meaning.LATER),
    *(
        (EVERYWHERE, status, "ErrorOfNextYear", Meaning.LATER)
        for status in (400, 403, 404, 405, 410)
    ),
]
SINGLE = [
    pytest.param(operation, status, code, verdict, id=f"{operation}-{status}-{code}")
    for operations, status, code, verdict in VERDICTS
    for operation in operations
]


@pytest.mark.parametrize(("operation", "status", "code", "verdict"), SINGLE)
def test_a_refusal_means(operation: Operation, status: int, code: str, verdict: Meaning) -> None:
    assert meaning(operation, status, code) is verdict


def test_every_code_of_the_table_is_among_these() -> None:
    assert TABLE.keys() - {code for _, _, code, _ in VERDICTS} == set()


def test_nothing_has_two_meanings() -> None:
    groups = [getattr(error_codes, f"_{each.name}").split() for each in Meaning]
    assert sum(map(len, groups)) == len(TABLE)


def test_every_meaning_has_words_for_the_operator() -> None:
    assert WORDS.keys() == set(Meaning)
    assert all(words(each) for each in Meaning)


def test_no_answer_of_500_or_more_to_a_write_is_taken_for_a_refusal_but_of_limits() -> None:
    for status in range(500, 600):
        for operation in WRITES:
            for code in (*TABLE, "", "ErrorOfNextYear"):
                verdict = meaning(operation, status, code)
                assert verdict is (Meaning.LATER if status in {507, 509} else Meaning.UNKNOWN)
