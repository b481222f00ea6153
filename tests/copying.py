"""All that stands in one database, brought into another of whatever kind."""

from contextlib import closing

from sqlalchemy import func, insert, select

from kalender.store.database import Database
from kalender.store.tables import metadata

AT_ONCE = 5_000  # rows


def copy_rows(source: str, target: str) -> None:
    """Copy all rows from one database to another, by their URLs; what the target has stays alone."""
    with (
        closing(Database(source)) as old,
        closing(Database(target)) as new,
        old.read() as reading,
        new.write() as writing,
    ):
        for table in metadata.sorted_tables:
            if writing.execute(select(table).limit(1)).first() is None:
                for part in reading.execute(select(table)).mappings().partitions(AT_ONCE):
                    writing.execute(insert(table), [dict(row) for row in part])
        if writing.dialect.name == "postgresql":  # whose counters know of no row that was given
            for table in metadata.sorted_tables:
                column = table.autoincrement_column
                if column is not None:
                    counter = func.pg_get_serial_sequence(table.name, column.name)
                    last = select(func.setval(counter, func.max(column))).where(
                        counter.is_not(None)
                    )
                    writing.execute(last)
