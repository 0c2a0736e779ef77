"""Progress of a study; apart from the tables so that clients import no SQLAlchemy."""

from enum import StrEnum


class StudyStatus(StrEnum):
    """Progress of a study: ``read`` by the network, ``reviewed`` by a person."""

    NEW = "new"
    READ = "read"
    REVIEWED = "reviewed"
