"""What a run is made of: parts, one after the other, each on databases of its own."""

import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from sqlalchemy import Engine, create_engine, text

from bench.measure import Figure, not_run
from tests.real_data import NotGiven

Part = Callable[[], Iterator[Figure]]
NUMBERS = count(1)


@dataclass(frozen=True)
class Databases:
    """Empty databases on one server, dropped after the part that they were made for."""

    engine: Engine
    names: list[str] = field(default_factory=list)

    def make(self) -> str:
        """Make one and return its address."""
        name = f"bench_{os.getpid()}_{next(NUMBERS)}"
        with self.engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        self.names.append(name)
        return self.engine.url.set(database=name).render_as_string(hide_password=False)

    def drop(self) -> None:
        """Drop them all, and let the server write what it has, so that the next part finds calm.

        Else it would vacuum one part's tables while it serves the next.
        """
        with self.engine.connect() as connection:
            while self.names:
                connection.execute(text(f"DROP DATABASE {self.names.pop()} WITH (FORCE)"))
            connection.execute(text("CHECKPOINT"))


@contextmanager
def databases(server: str) -> Iterator[Databases]:
    """Yield what makes databases on a server, and drop what is left of them."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    made = Databases(engine)
    try:
        yield made
    finally:
        made.drop()
        engine.dispose()


def figures(parts: dict[str, Part], named: Collection[str], made: Databases) -> Iterator[Figure]:
    """Run the parts that are named, or all; what fails is said, and the others go on."""
    chosen = {name: part for name, part in parts.items() if name in named} or parts
    for name, part in chosen.items():
        sys.stderr.write(f"{name} ...\n")
        try:
            for figure in part():
                beside = f", {figure.ratio} of {figure.reference}" if figure.ratio else ""
                sys.stderr.write(f"  {figure.name}: {figure.ours}{beside}\n")
                yield figure
        except NotGiven as error:
            yield not_run(name, str(error), failed=False)
        except Exception as error:  # noqa: BLE001
            yield not_run(name, f"{type(error).__name__}: {str(error)[:200]}")
        made.drop()
