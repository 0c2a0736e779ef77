"""Data frames of pandas, which is imported where a frame is asked for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pneumoscope.support.errors import MissingPackageError

if TYPE_CHECKING:
    from pandas import DataFrame


def make_data_frame(
    columns: Mapping[str, Sequence[object] | NDArray[np.generic]],
) -> "DataFrame":
    """Return a data frame of columns of equal length.

    Raises
    ------
    MissingPackageError
        If pandas is not installed.

    Examples
    --------
    >>> make_data_frame({"file": ["a.png", "b.png"], "probability": np.array([0.25, np.nan])})
        file  probability
    0  a.png         0.25
    1  b.png          NaN
    """
    try:
        from pandas import DataFrame
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            "pandas is not installed, and data frames need it; run: pip install "
            '"pneumoscope[evaluate]"'
        ) from error
    return DataFrame(dict(columns))
