"""The figure of subgroups: who is read better, and who worse, than all together."""

from itertools import groupby
from typing import Literal

from matplotlib.figure import Figure

from pneumoscope.evaluation.comparison_figures import draw_forest, forest_panel
from pneumoscope.evaluation.intervals import Estimate
from pneumoscope.evaluation.panels import ORANGE
from pneumoscope.evaluation.subgroups import Subgroup, SubgroupTable

FigureName = Literal["auc", "sensitivity", "specificity"]

_NAMES = {"auc": "AUC", "sensitivity": "Sensitivity", "specificity": "Specificity"}


def subgroup_figure(table: SubgroupTable, overall: Estimate, figure: FigureName = "auc") -> Figure:
    """Draw one figure of every subgroup, column by column, against that of all images.

    Parameters
    ----------
    table
        The subgroups; without any, the panel says so.
    overall
        The same figure of all images, a line in the panel.
    figure
        Which one.

    Returns
    -------
    Figure
        One panel; where a figure is withheld it says "too few to say".
    """
    rows: list[tuple[str, Estimate | None, str]] = []
    for column, groups in groupby(table.groups, lambda group: group.column):
        rows.append((column, None, ""))
        rows += [
            (_name(each, figure), getattr(each, figure), _words(each, figure)) for each in groups
        ]
    name = _NAMES[figure]
    drawn, axes = forest_panel(len(rows), f"{name} by subgroup")
    axes.set_xlabel(f"{name}, with 95 % interval\ndashed: all images, {overall}")
    if overall.value is not None:
        axes.axvline(overall.value, ls="--", lw=1.2, color=ORANGE, zorder=1)
    draw_forest(axes, rows or [("no subgroups", None, "")])
    return drawn


def _name(group: Subgroup, figure: FigureName) -> str:
    ill, healthy = group.positives, group.n - group.positives
    if figure == "auc":
        counts = f"{ill} ill, {healthy} not"
        if group.against is not None:
            counts = f"{ill or healthy} {'ill' if ill else 'not ill'}, against {group.against}"
    else:
        counts = f"{ill} ill" if figure == "sensitivity" else f"{healthy} not ill"
    return f"{group.value} ({counts})"


def _words(group: Subgroup, figure: FigureName) -> str:
    estimate: Estimate = getattr(group, figure)
    return "too few to say" if figure in group.too_few else str(estimate)
