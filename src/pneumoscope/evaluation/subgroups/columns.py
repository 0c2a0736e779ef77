"""Subgroups from the columns of a table: categories, lists of findings, age bands, quartiles."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite, nan

import numpy as np
from numpy.typing import NDArray

from pneumoscope.evaluation.predictions import Floats
from pneumoscope.support.tables import parse_number

NOT_STATED = "not stated"
"""Subgroup of the images whose cell is empty, or holds no number in a column of numbers."""

MAX_VALUES = 30
"""Most distinct values of a column that subgroups are made from."""

_MAX_CATEGORIES = 12
"""Most distinct numbers of a column that are taken as categories, not cut at quartiles."""

_SEPARATOR = "|"
_AGE_LIMITS = (0, 5, 18, 40, 60, 80)
_MAX_AGE_YEARS = 120

_MIN_NUMERIC_SHARE = 0.9
"""Smallest share of numbers among the cells that are not empty in a column of numbers."""

_DICOM_AGE = re.compile(r"([0-9]{3})([YMWD])")
_PER_YEAR = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}


@dataclass(frozen=True, slots=True, eq=False)
class SubgroupRows:
    """Images with one value, or range of values, of a column; ``rows`` is a mask, shape (n,)."""

    column: str
    value: str
    rows: NDArray[np.bool_]


def find_subgroups(
    groups: Mapping[str, Sequence[str]],
) -> tuple[tuple[SubgroupRows, ...], dict[str, str]]:
    """Return the subgroups of all columns, and why the other columns have none.

    The column ``age``, in years or as DICOM writes ages (``045Y``, ``006M``, ``012W``, ``010D``),
    is cut into the bands 0-4, 5-17, 18-39, 40-59, 60-79 and 80+; an age below 0 or above 120 often
    means a missing one, and counts as not stated. Another column of numbers with more than 12
    distinct ones is cut at its quartiles. A column is one of numbers if at least 9 in 10 of its
    cells that are not empty hold one; other texts in it, such as ``unknown``, count as not stated.
    A cell such as ``Effusion|Mass`` puts its image into several subgroups. Left out are columns
    with more than 30 values, and those with one value only.

    Parameters
    ----------
    groups
        Cells of each column, one per image.

    Returns
    -------
    subgroups : tuple of SubgroupRows
        By column in the order given; within a column bands ascend and values are sorted, and
        `NOT_STATED` is last.
    left_out : dict of str to str
        Reason by the name of the column.

    Examples
    --------
    >>> subgroups, left_out = find_subgroups({"age": ("4", "71", ""), "site": ("A", "A", "A")})
    >>> [(subgroup.value, subgroup.rows.tolist()) for subgroup in subgroups]
    [('0-4', [True, False, False]), ('60-79', [False, True, False]),
     ('not stated', [False, False, True])]
    >>> left_out
    {'site': 'a single value'}
    """
    subgroups: list[SubgroupRows] = []
    left_out = {}
    for column, cells in groups.items():
        rows_of = _rows_by_value(column, [cell.strip() for cell in cells])
        values = len(rows_of.keys() - {NOT_STATED})
        if values > MAX_VALUES:
            left_out[column] = f"{values} values, more than {MAX_VALUES}"
        elif len(rows_of) < 2:
            left_out[column] = "a single value" if values else "no value is stated"
        else:
            subgroups += [SubgroupRows(column, value, rows) for value, rows in rows_of.items()]
    return tuple(subgroups), left_out


def _rows_by_value(column: str, cells: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    if column.strip().casefold() == "age":
        ages = _numbers(cells, _age)
        return _categories(cells) if ages is None else _age_bands(ages)
    numbers = _numbers(cells, parse_number)
    if numbers is not None and len(np.unique(numbers[~np.isnan(numbers)])) > _MAX_CATEGORIES:
        return _quartiles(numbers)
    return _categories(cells)


def _numbers(cells: Sequence[str], read: Callable[[str], float]) -> Floats | None:
    """Return the cells as numbers, NaN where they hold none; None if too few of them hold one."""
    number_of = {cell: _number(cell, read) for cell in set(cells)}
    numbers = np.array([number_of[cell] for cell in cells])
    stated = sum(map(bool, cells))
    numeric = int(np.isfinite(numbers).sum())
    return numbers if numeric and numeric >= _MIN_NUMERIC_SHARE * stated else None


def _number(cell: str, read: Callable[[str], float]) -> float:
    try:
        value = read(cell)
    except ValueError:
        return nan
    return value if isfinite(value) else nan


def _age(cell: str) -> float:
    """Return an age in years, from a number or DICOM's value representation AS (age string)."""
    written = _DICOM_AGE.fullmatch(cell)
    return int(written[1]) / _PER_YEAR[written[2]] if written else parse_number(cell)


def _age_bands(ages: Floats) -> dict[str, NDArray[np.bool_]]:
    names = [f"{low}-{high - 1}" for low, high in pairwise(_AGE_LIMITS)]
    possible = np.where((ages >= 0) & (ages <= _MAX_AGE_YEARS), ages, nan)
    return _bands(possible, np.searchsorted(_AGE_LIMITS, ages, side="right") - 1, [*names, "80+"])


def _quartiles(numbers: Floats) -> dict[str, NDArray[np.bool_]]:
    # Where many numbers are equal, quartiles coincide, and fewer bands are left.
    limits = np.unique(np.nanquantile(numbers, (0.25, 0.5, 0.75), method="lower"))
    words = [f"{limit:.10g}" for limit in limits]
    names = [f"above {low} to {high}" for low, high in pairwise(words)]
    names = [f"up to {words[0]}", *names, f"above {words[-1]}"]
    return _bands(numbers, np.searchsorted(limits, numbers, side="left"), names)


def _bands(
    numbers: Floats, bands: NDArray[np.intp], names: Sequence[str]
) -> dict[str, NDArray[np.bool_]]:
    stated = ~np.isnan(numbers)
    rows_of = {name: stated & (bands == band) for band, name in enumerate(names)}
    rows_of[NOT_STATED] = ~stated
    return {name: rows for name, rows in rows_of.items() if rows.any()}


def _categories(cells: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    values = [{part.strip() for part in cell.split(_SEPARATOR)} - {""} for cell in cells]
    distinct = sorted(set().union(*values))
    numbers = {value: number for number, value in enumerate(distinct)}
    membership = np.zeros((len(distinct), len(cells)), dtype=np.bool_)
    for row, values_of_row in enumerate(values):
        membership[[numbers[value] for value in values_of_row], row] = True
    rows_of = dict(zip(distinct, membership, strict=True))
    empty = ~membership.any(axis=0)
    if empty.any():
        rows_of[NOT_STATED] = np.logical_or(rows_of.pop(NOT_STATED, empty), empty)
    return rows_of
