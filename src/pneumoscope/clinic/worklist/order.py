"""Order of the worklist; apart from its queries so that clients import no SQLAlchemy."""

from enum import StrEnum


class StudyOrder(StrEnum):
    """Order of the studies in a worklist, after the group of those that need a look."""

    URGENCY = "urgency"
    STUDY_DATE = "study date"
    ARRIVAL = "arrival"


def describe_order(order: StudyOrder, *, ranked: bool, hidden: bool) -> str:
    """Return the words for the order of a list, for its heading.

    Parameters
    ----------
    order
        Order that was asked for.
    ranked, hidden
        Whether there are sites whose studies are ranked by probability, and sites whose are not,
        since readings are hidden from the user there.

    Examples
    --------
    >>> describe_order(StudyOrder.URGENCY, ranked=True, hidden=False)
    'most urgent first'
    >>> describe_order(StudyOrder.URGENCY, ranked=False, hidden=True)
    'longest waiting first, since readings are hidden'
    """
    if order is StudyOrder.STUDY_DATE:
        return "newest study date first"
    if order is StudyOrder.ARRIVAL:
        return "longest waiting first"
    if not hidden:
        return "most urgent first"
    if not ranked:
        return "longest waiting first, since readings are hidden"
    return "most urgent first, then those of sites that hide readings, longest waiting first"
