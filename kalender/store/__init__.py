"""State in SQL: plain SQLAlchemy Core on the real database. Only `tables` names columns."""
