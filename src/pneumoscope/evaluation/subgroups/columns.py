"""Which subgroups a table's columns make: categories, lists of findings, age bands, quartiles."""

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
"""The subgroup of the images whose cell is empty, or no number or age among such."""

MOST_VALUES = 30
"""A column with more distinct values than this tells images apart, not groups of them."""

_CATEGORIES = 12
_SEPARATOR = "|"
_AGES = (0, 5, 18, 40, 60, 80)
_OLDEST = 120
_MOSTLY = 0.9
_DICOM_AGE = re.compile(r"([0-9]{3})([YMWD])")
_PER_YEAR = {"Y": 1.0, "M": 12.0, "W": 365.25 / 7, "D": 365.25}


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """The images of one subgroup.

    Parameters
    ----------
    column, value
        What they share.
    rows
        Which images they are, bool, shape (n,).
    """

    column: str
    value: str
    rows: NDArray[np.bool_]


def memberships(
    groups: Mapping[str, Sequence[str]],
) -> tuple[tuple[Membership, ...], dict[str, str]]:
    """Return the subgroups of all columns, and why the other columns have none.

    The column ``age``, in years or as DICOM writes ages (``045Y``, ``006M``, ``012W``, ``010D``),
    is cut into the bands 0-4, 5-17, 18-39, 40-59, 60-79 and 80+; an age below 0 or above 120 stands
    for none in many tables, and counts as not stated. Another column of numbers with more than 12
    distinct ones is cut at its quartiles. In both, where 9 in 10 of the cells that are not empty
    say a number, what the others say, such as ``unknown``, counts as not stated. A cell such as
    ``Effusion|Mass`` puts its image into several subgroups. Left out are columns with more than 30
    values, and those with one value only.

    Parameters
    ----------
    groups
        The cells of each column, one for each image.

    Returns
    -------
    subgroups : tuple of Membership
        By column in the order given; within it bands ascend and values are sorted, the images of
        which it is not stated come last.
    left_out : dict of str to str
        The reason, by the name of the column.

    Examples
    --------
    >>> found, left_out = memberships({"age": ("4", "71", ""), "site": ("A", "A", "A")})
    >>> [(each.value, each.rows.tolist()) for each in found]
    [('0-4', [True, False, False]), ('60-79', [False, True, False]),
     ('not stated', [False, False, True])]
    >>> left_out
    {'site': 'one value only'}
    """
    found: list[Membership] = []
    left_out = {}
    for column, cells in groups.items():
        rows_of = _rows_by_value(column, [cell.strip() for cell in cells])
        values = len(rows_of.keys() - {NOT_STATED})
        if values > MOST_VALUES:
            left_out[column] = f"{values} values, more than {MOST_VALUES}"
        elif len(rows_of) < 2:
            left_out[column] = "one value only" if values else "no value is stated"
        else:
            found += [Membership(column, value, rows) for value, rows in rows_of.items()]
    return tuple(found), left_out


def _rows_by_value(column: str, cells: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    if column.strip().casefold() == "age":
        ages = _numbers(cells, _age)
        return _categories(cells) if ages is None else _age_bands(ages)
    numbers = _numbers(cells, parse_number)
    if numbers is not None and len(np.unique(numbers[~np.isnan(numbers)])) > _CATEGORIES:
        return _quartiles(numbers)
    return _categories(cells)


def _numbers(cells: Sequence[str], read: Callable[[str], float]) -> Floats | None:
    """Return the cells as numbers, NaN where one says none; None if too few of them say one."""
    said_by = {cell: _number(cell, read) for cell in set(cells)}
    numbers = np.array([said_by[cell] for cell in cells])
    stated = sum(map(bool, cells))
    said = int(np.isfinite(numbers).sum())
    return numbers if said and said >= _MOSTLY * stated else None


def _number(cell: str, read: Callable[[str], float]) -> float:
    try:
        value = read(cell)
    except ValueError:
        return nan
    return value if isfinite(value) else nan


def _age(cell: str) -> float:
    """Return an age in years; that of DICOM's value representation AS counts in its unit."""
    written = _DICOM_AGE.fullmatch(cell)
    return int(written[1]) / _PER_YEAR[written[2]] if written else parse_number(cell)


def _age_bands(ages: Floats) -> dict[str, NDArray[np.bool_]]:
    names = [f"{low}-{high - 1}" for low, high in pairwise(_AGES)]
    possible = np.where((ages >= 0) & (ages <= _OLDEST), ages, nan)
    return _bands(possible, np.searchsorted(_AGES, ages, side="right") - 1, [*names, "80+"])


def _quartiles(numbers: Floats) -> dict[str, NDArray[np.bool_]]:
    # Where many numbers are equal quartiles coincide, and fewer bands are left.
    limits = np.unique(np.nanquantile(numbers, (0.25, 0.5, 0.75), method="lower"))
    words = [f"{limit:.10g}" for limit in limits]
    names = [f"above {low} to {high}" for low, high in pairwise(words)]
    names = [f"up to {words[0]}", *names, f"above {words[-1]}"]
    return _bands(numbers, np.searchsorted(limits, numbers, side="left"), names)


def _bands(
    numbers: Floats, places: NDArray[np.intp], names: Sequence[str]
) -> dict[str, NDArray[np.bool_]]:
    stated = ~np.isnan(numbers)
    rows_of = {name: stated & (places == place) for place, name in enumerate(names)}
    rows_of[NOT_STATED] = ~stated
    return {name: rows for name, rows in rows_of.items() if rows.any()}


def _categories(cells: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    values = [{part.strip() for part in cell.split(_SEPARATOR)} - {""} for cell in cells]
    distinct = sorted(set().union(*values))
    places = {value: place for place, value in enumerate(distinct)}
    member = np.zeros((len(distinct), len(cells)), dtype=np.bool_)
    for row, of_row in enumerate(values):
        member[[places[value] for value in of_row], row] = True
    rows_of = dict(zip(distinct, member, strict=True))
    empty = ~member.any(axis=0)
    if empty.any():
        rows_of[NOT_STATED] = np.logical_or(rows_of.pop(NOT_STATED, empty), empty)
    return rows_of
