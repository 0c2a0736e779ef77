"""Site setting for radiographs of patients of unknown age."""

from enum import StrEnum


class UnknownAge(StrEnum):
    """Population that a patient of unknown age is assumed to belong to, or ``ask``.

    ``ask``: such a radiograph gets no finding until it is sent again with an age. The setting
    matters only where the server chooses between bundles by age.
    """

    CHILDREN = "children"
    ADULTS = "adults"
    ASK = "ask"

    @property
    def population(self) -> str | None:
        """Name of the population; None if none is assumed.

        Examples
        --------
        >>> [choice.population for choice in UnknownAge]
        ['children', 'adults', None]
        """
        return None if self is UnknownAge.ASK else self.value
