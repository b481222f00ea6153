"""What the tables have in common: their collection, and columns that several of them have."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = Integer


def unit() -> list[Column[Any]]:
    """Return the columns that name a teaching unit, part of the primary key."""
    return [
        Column("course", String(64), primary_key=True),
        Column("version", String(16), primary_key=True),
        Column("semester", String(3), primary_key=True),
        Column("term_number", Integer, primary_key=True, autoincrement=False),
    ]


def person_id(*, key: bool = True) -> Column[Any]:
    """Return the column that names a person, and is the primary key or a part of it where `key`."""
    return Column(
        "person_id",
        Id,
        ForeignKey("person.person_id", ondelete="CASCADE"),
        primary_key=key,
        nullable=False,
        autoincrement=False,
    )
