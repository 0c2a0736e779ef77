"""Tables of the monitoring, in the clinic's database."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from pneumoscope.clinic.storage.table_base import ID, Table, new_id
from pneumoscope.clinic.storage.tables import Site


class Alert(Table):
    """Alert of the monitoring: one row from its beginning to its end."""

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_began", "began", "id"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True, default=new_id)
    rule: Mapped[str] = mapped_column(String(32))
    site_id: Mapped[str | None] = mapped_column(ForeignKey("site.id"))
    """Site concerned; None for the whole server."""
    bundle: Mapped[str | None] = mapped_column(String(200))
    """Identity of the bundle whose readings are concerned; None for those of all bundles."""
    subject: Mapped[str] = mapped_column(String(32))
    """Statistic concerned; empty if the rule has none."""
    message: Mapped[str] = mapped_column(String(500))
    """Description of the cause at the beginning."""
    began: Mapped[datetime]
    ended: Mapped[datetime | None] = mapped_column(index=True)
    acknowledged: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None] = mapped_column(String(100))

    site: Mapped[Site | None] = relationship()
