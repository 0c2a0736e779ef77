"""Forest plots: estimates with their intervals, one below the other."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pneumoscope.evaluation.report.figures.panels import BLUE, GREY, panel
from pneumoscope.report.estimate import Estimate

_WIDTH, _ROW_HEIGHT, _FRAME_HEIGHT = 7.2, 0.3, 1.1
_FONT_SIZE = 9


def forest_figure(rows: Sequence[tuple[str, Estimate]], title: str, label: str) -> Figure:
    """Draw the metric ``label`` of several models, with its 95 % intervals and both in words.

    References
    ----------
    Lewis S, Clarke M. Forest plots: trying to see the wood and the trees. BMJ 322:1479-1480, 2001.

    Examples
    --------
    >>> figure = forest_figure([("compact", Estimate(0.9))], "On the test split", "AUC")
    >>> [text.get_text() for text in figure.axes[1].get_yticklabels()]
    ['0.900']
    """
    figure, axes = forest_panel(len(rows), title)
    axes.set_xlabel(f"{label}, with 95 % interval", parse_math=False)
    draw_forest(axes, [(name, estimate, str(estimate)) for name, estimate in rows])
    return figure


def forest_panel(rows: int, title: str) -> tuple[Figure, Axes]:
    """Return a panel high enough for a number of rows."""
    return panel(title, (_WIDTH, _FRAME_HEIGHT + _ROW_HEIGHT * max(rows, 1)))


def draw_forest(axes: Axes, rows: Sequence[tuple[str, Estimate | None, str]]) -> None:
    """Draw rows into a panel: names on its left, points with intervals, texts on its right.

    Each row is name, estimate and text, from the top down; one without an estimate is a heading.
    """
    right = axes.twinx()
    for row, (_, estimate, _) in enumerate(rows):
        if estimate is not None and estimate.value is not None:
            if estimate.interval is not None:
                axes.plot(estimate.interval, (row, row), color=BLUE, lw=1.6, solid_capstyle="butt")
            axes.plot(estimate.value, row, "s", color=BLUE, markersize=5.5, clip_on=False)
    for side, texts in (
        (axes, [name for name, *_ in rows]),
        (right, [text for *_, text in rows]),
    ):
        # A dollar sign in a name does not start a formula.
        side.set_yticks(range(len(rows)), texts, size=_FONT_SIZE, parse_math=False)
        side.set_ylim(len(rows) - 0.4, -0.6)
        side.tick_params(axis="y", length=0)
        side.spines[["left", "top", "right"]].set_visible(False)
    for text, (_, estimate, _) in zip(axes.get_yticklabels(), rows, strict=True):
        text.set_fontweight("bold" if estimate is None else "normal")
    for text, (_, estimate, _) in zip(right.get_yticklabels(), rows, strict=True):
        undefined = estimate is not None and estimate.value is None
        text.set_color(GREY if undefined else "black")
    axes.grid(axis="x", color=GREY, alpha=0.2, lw=0.8)
    axes.set_axisbelow(True)
