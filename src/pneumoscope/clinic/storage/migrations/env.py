"""Alembic environment: migrates over the connection that `Database` passes."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from pneumoscope.clinic.identity import tables as _identity  # noqa: F401 (registers)
from pneumoscope.clinic.monitoring import tables as _monitoring  # noqa: F401 (registers)
from pneumoscope.clinic.privacy import tables as _privacy  # noqa: F401 (registers its tables)
from pneumoscope.clinic.storage import tables  # noqa: F401 (registers its tables)
from pneumoscope.clinic.storage.table_base import Table, UtcDateTime


def _render(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Render the package's column types as SQLAlchemy's, which migrations can rely on for ever."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite cannot change a table in place
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
