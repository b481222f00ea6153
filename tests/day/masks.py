"""What differs from one run of the scripted day to the next, and the names that stand for it."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

# A number that follows one of these names in JSON, in a log event or in a metric is measured.
MEASURED = (
    "p50|p95|max|seconds|duration|elapsed|took|age|uptime|since_seconds|pid|process|port|thread"
)


@dataclass(frozen=True, slots=True)
class Mask:
    """One rule: what the pattern matches is written as the replacement."""

    name: str
    pattern: str
    replacement: str


def masks(directory: Path, today: date) -> Sequence[Mask]:
    """Return the rules, in the order in which they are applied.

    `directory` is where the installation lies. `today` is the day of the real clock (UTC) on which
    the run began: every instant of the days around it is one of the real clock. The teaching of the
    sandbox must be of other days.
    """
    days = "|".join((today + timedelta(days=n)).isoformat() for n in range(-2, 9))
    local = "|".join((today + timedelta(days=n)).strftime(r"%d\.%m\.") for n in range(-2, 9))
    clock = r"[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?"
    return (
        Mask("path", re.escape(str(directory)), "<directory>"),
        Mask("port", r"(127\.0\.0\.1|localhost):\d+", r"\1:<port>"),
        Mask("instant", rf"\b(?:{days})(?:{clock})?", "<instant>"),
        Mask(
            "local instant", rf"\b(?:{local})(?:\d{{4}})?,? \d\d[:.]\d\d(?:[:.]\d\d)?", "<instant>"
        ),
        Mask("sync key or token", r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b", "<key>"),
        Mask("item", r"\bAAMk[A-Za-z0-9+/=_-]{20,}", "<item>"),
        Mask("measured", rf'("\w*(?:{MEASURED})\w*": )-?[\d.]+(?:e-?\d+)?', r"\1<number>"),
        Mask("process", rf"\b{re.escape(socket.gethostname())}:\d+ *", "<process> "),
        Mask("milliseconds", r" +\d+ ms\b", " <number> ms"),
        Mask("clocks", r"[+-]\d+\.\d s from ours", "<number> s from ours"),
        Mask("latency", r"(?m)^((?:fs|tp) +\d+)(?: +[\d.]+){3}$", r"\1 <number>"),
        Mask(
            "latency of requests",
            r"(?m)^((?:exchange\.\w+|fs|tp) +ok \d+) +[\d.]+ +[\d.]+",
            r"\1 <number>",
        ),
        Mask("latency's heading", r"(?m)^(name +requests) +p50 +p95", r"\1 p50 p95"),
        Mask("width of a table", r"(?m) +$", ""),
        Mask("bucket", r"(?m)^\w*_seconds_bucket\{.*\n", ""),
        # A calendar that waits after a recovery is claimed again as often as its sources take.
        Mask(
            "claims",
            r'(?m)^(kalender_work_total\{kind="calendar",outcome="done"\}) \S+$',
            r"\1 <number>",
        ),
        Mask(
            "metric",
            r"(?m)^(\w*(?:seconds|timestamp|created|bytes)\w*(?:\{.*\})?) \S+$",
            r"\1 <number>",
        ),
    )


def masked(text: str, rules: Sequence[Mask]) -> str:
    """Return the text as it is after every rule."""
    for rule in rules:
        text = re.sub(rule.pattern, rule.replacement, text)
    return text
