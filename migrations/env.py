"""How alembic runs here: on the URL or connection it is handed; views make way and come back."""

from alembic import context
from sqlalchemy import Connection

from kalender.store.database import drop_views, make_engine, make_views
from kalender.store.partial_indexes import metadata


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction, with the views out of the way."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_server_default=False,
    )
    with context.begin_transaction():
        drop_views(connection)
        context.run_migrations()
        make_views(connection)


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    url = context.config.get_main_option("sqlalchemy.url") or "sqlite:///kalender.db"
    with make_engine(url).begin() as connection:
        migrate(connection)
