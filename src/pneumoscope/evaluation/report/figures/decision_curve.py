"""Decision curve figure."""

from matplotlib.figure import Figure

from pneumoscope.evaluation.report.figures.panels import BLUE, GREY, ORANGE, panel
from pneumoscope.evaluation.statistics.decision_curve import DecisionCurve

_SIZE = (4.8, 4.6)


def decision_curve_figure(curve: DecisionCurve, title: str) -> Figure:
    """Draw the net benefit of a model, of referring everyone and of referring nobody.

    The panel ends at the last meaningful threshold, and a little below zero, since less than the
    net benefit of referring nobody is of no interest.
    """
    figure, axes = panel(title, _SIZE)
    shown = slice(curve.n_meaningful)
    thresholds, model, everyone = (
        values[shown] for values in (curve.thresholds, curve.model, curve.treat_all)
    )
    highest = [0.01, model.max(), everyone.max()]
    if curve.low is not None and curve.high is not None:
        band = (thresholds, curve.low[shown], curve.high[shown])
        axes.fill_between(*band, color=BLUE, alpha=0.2, lw=0, label="95 % interval")
        highest.append(band[2].max())
    axes.plot(thresholds, model, color=BLUE, label="refer by the model")
    axes.plot(thresholds, everyone, "--", color=ORANGE, label="refer everyone")
    axes.axhline(0, ls=":", color=GREY, label="refer nobody")
    top = float(max(highest))
    axes.set(
        xlabel="Probability from which a patient is referred",
        ylabel="Net benefit (true positives per image)",
        xlim=(0, thresholds[-1]),
        ylim=(-0.15 * top, 1.05 * top),
    )
    # Below the panel, because inside it would cover some models' curves.
    figure.legend(frameon=False, loc="outside lower center", ncols=2)
    return figure
