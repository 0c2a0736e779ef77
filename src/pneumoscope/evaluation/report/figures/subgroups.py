"""Forest plot of the AUC by subgroup."""

from itertools import groupby

from matplotlib.figure import Figure

from pneumoscope.evaluation.report.figures.forest_plot import draw_forest, forest_panel
from pneumoscope.evaluation.report.figures.panels import ORANGE
from pneumoscope.evaluation.subgroups.table import Subgroup, SubgroupTable
from pneumoscope.report.estimate import Estimate


def subgroups_figure(table: SubgroupTable, overall: Estimate) -> Figure:
    """Draw the AUC of every subgroup, column by column, against that of all images.

    An AUC that is based on too few images is replaced with "too few".
    """
    rows: list[tuple[str, Estimate | None, str]] = []
    for column, groups in groupby(table.groups, lambda group: group.column):
        rows.append((column, None, ""))
        rows += [
            (_name(group), group.auc, "too few" if "auc" in group.too_few else str(group.auc))
            for group in groups
        ]
    figure, axes = forest_panel(len(rows), "AUC by subgroup")
    axes.set_xlabel(f"AUC, with 95 % interval\ndashed: all images, {overall}")
    if overall.value is not None:
        axes.axvline(overall.value, ls="--", lw=1.2, color=ORANGE, zorder=1)
    draw_forest(axes, rows or [("no subgroups", None, "")])
    return figure


def _name(group: Subgroup) -> str:
    ill, healthy = group.positives, group.n - group.positives
    counts = f"{ill} ill, {healthy} not"
    if group.against is not None:
        counts = f"{ill or healthy} {'ill' if ill else 'not ill'}, against {group.against}"
    return f"{group.value} ({counts})"
