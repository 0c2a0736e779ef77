"""Decision curve figure."""

from matplotlib.figure import Figure

from pneumoscope.evaluation.report.figures.panels import BLUE, GREY, ORANGE, panel
from pneumoscope.evaluation.statistics.decision_curve import DecisionCurve

_SIZE = (4.8, 4.6)


def decision_curve_figure(curve: DecisionCurve, title: str) -> Figure:
    """Draw the net benefit of a model, of referring everyone and of referring nobody.

    The panel ends a little below zero, since less than the net benefit of referring nobody is of no
    interest.
    """
    figure, axes = panel(title, _SIZE)
    highest = [0.01, curve.model.max(), curve.treat_all.max()]
    if curve.low is not None and curve.high is not None:
        band = (curve.thresholds, curve.low, curve.high)
        axes.fill_between(*band, color=BLUE, alpha=0.2, lw=0, label="95 % interval")
        highest.append(curve.high.max())
    axes.plot(curve.thresholds, curve.model, color=BLUE, label="refer by the model")
    axes.plot(curve.thresholds, curve.treat_all, "--", color=ORANGE, label="refer everyone")
    axes.axhline(0, ls=":", color=GREY, label="refer nobody")
    top = float(max(highest))
    axes.set(
        xlabel="Probability from which a patient is referred",
        ylabel="Net benefit (true positives per image)",
        xlim=(0, 1),
        ylim=(-0.15 * top, 1.05 * top),
    )
    # Below the panel, because inside it would cover some models' curves.
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure
