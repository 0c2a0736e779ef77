"""Report of a search: its trials, and the effect of each setting."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from optuna.trial import FrozenTrial, TrialState

from pneumoscope.report.html import figure_png, render_page
from pneumoscope.report.jupyter import inline_png
from pneumoscope.support.files import write_text
from pneumoscope.training.search.plan import Range
from pneumoscope.training.search.search import Search, duration_minutes

PAGE_FILE = "search.html"
_COLUMNS = 4
_BLUE, _ORANGE = "#0072B2", "#D55E00"


def write_page(search: Search) -> None:
    """Write ``search.html`` into the search's folder, as one self-contained file."""
    trials = search.study.get_trials()
    finished = sorted(
        (trial for trial in trials if trial.state is TrialState.COMPLETE),
        key=lambda trial: -trial.values[0],
    )
    figures = {}
    if finished:
        figures = {
            "progress": inline_png(figure_png(progress_figure(finished))),
            "settings": inline_png(figure_png(settings_figure(finished, search))),
        }
    text = render_page(
        PAGE_FILE,
        plan=search.plan,
        manifest=search.manifest,
        names=list(search.plan.space),
        finished=finished,
        pruned=[trial for trial in trials if trial.state is TrialState.PRUNED],
        minutes=sum(duration_minutes(trial) or 0 for trial in trials),
        best=search.plan.recipe(search.best.params).to_yaml() if search.best else None,
        figures=figures,
    )
    write_text(search.out / PAGE_FILE, text)


def progress_figure(finished: Sequence[FrozenTrial]) -> Figure:
    """Plot each finished trial's score against its number, and the best score so far."""
    ordered = sorted(finished, key=lambda trial: trial.number)
    numbers = [trial.number for trial in ordered]
    scores = [trial.values[0] for trial in ordered]
    best = [max(scores[: i + 1]) for i in range(len(scores))]
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(numbers, scores, "o", color=_BLUE, label="trial", markersize=4)
    axes.step(numbers, best, where="post", color=_ORANGE, label="best so far")
    axes.set(xlabel="Trial", ylabel="Score (AUC)")
    axes.legend(frameon=False)
    return figure


def settings_figure(finished: Sequence[FrozenTrial], search: Search) -> Figure:
    """Plot the scores against each setting that was searched."""
    space = search.plan.space
    rows = -(-len(space) // _COLUMNS)
    figure = Figure(figsize=(2.9 * _COLUMNS, 2.4 * rows), layout="constrained")
    scores = [trial.values[0] for trial in finished]
    for number, (name, values) in enumerate(space.items(), start=1):
        axes = figure.add_subplot(rows, _COLUMNS, number)
        settings = [trial.params[name] for trial in finished]
        if isinstance(values, Range):
            axes.plot(settings, scores, "o", color=_BLUE, markersize=3)
            if values.log:
                axes.set_xscale("log")
                axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
                axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            places = [values.index(setting) for setting in settings]
            axes.plot(places, scores, "o", color=_BLUE, markersize=3)
            axes.set_xticks(range(len(values)), [str(value) for value in values])
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=8)
    return figure
