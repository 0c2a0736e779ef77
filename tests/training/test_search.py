"""The search: patients stay together, the test split is left alone, and nothing is lost."""

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from pneumoscope.cache import ArrayCache
from pneumoscope.dataset import Manifest, Split, open_dataset
from pneumoscope.errors import RecipeError, RunError, RunInterruptedError
from pneumoscope.training import Recipe
from pneumoscope.training.search import BEST, SPACE, STORAGE, TRIALS, Plan, Range, Search
from pneumoscope.training.search_page import PAGE, write_page
from pneumoscope.training.trainer import Trainer

QUICK = ("image_size=64", "epochs=2", "precision=float32")


@pytest.fixture(scope="module")
def manifest(phantom_dataset: Path) -> Manifest:
    return open_dataset(phantom_dataset)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ArrayCache:
    return ArrayCache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def done(manifest: Manifest, cache: ArrayCache, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Return a search of two finished trials."""
    out = tmp_path_factory.mktemp("search") / "out"
    search = Search(manifest, Plan(("compact",), QUICK, folds=2), out, cache, resume=False)
    search.run(seconds=600, trials=2)
    write_page(search)
    return search


def _one(values: object) -> object:
    """Return a value of a setting's range."""
    return values.high if isinstance(values, Range) else values[0]


def rows(search: Search) -> list[dict[str, str]]:
    with (search.out / TRIALS).open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_trial_is_a_row_and_the_best_a_recipe(done: Search) -> None:
    table = rows(done)
    assert [row["state"] for row in table] == ["complete", "complete"]
    scores = [float(row["adjusted_auc"]) for row in table]
    assert all(0 <= score <= 1 for score in scores)
    best = Recipe.read(done.out / BEST)
    chosen = table[scores.index(max(scores))]
    assert best.augmentation.crop == pytest.approx(float(chosen["augmentation.crop"]))
    assert best.learning_rate == pytest.approx(float(chosen["learning_rate"]))
    assert (best.image_size, best.epochs) == (64, 2)  # set by hand, so not searched
    assert "image_size" not in table[0]


def test_trials_differ_within_the_space(done: Search) -> None:
    first, second = rows(done)
    assert first["learning_rate"] != second["learning_rate"]
    for row in (first, second):
        assert 3e-4 <= float(row["learning_rate"]) <= 5e-3
        assert 0 <= float(row["augmentation.crop"]) <= 0.5


def test_the_page_says_what_was_tried(done: Search) -> None:
    page = (done.out / PAGE).read_text()
    assert "2 trials finished and 0 ended early" in page
    assert "Synthetic images" in page
    assert f"{done.best.values[0]:.4f}" in page
    assert page.count("data:image/png;base64,") == 2


def test_only_train_and_validation_are_looked_at(
    done: Search, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = {entry.path for entry in manifest.of(Split.TEST)}
    assert tested
    assert not tested & done._how_made.keys()
    for fold in done.folds:
        assert {entry.path for entry in fold.of(Split.TEST)} == tested


def test_a_resumed_search_goes_on_and_takes_up_what_was_running(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path
) -> None:
    plan = Plan(("compact",), (*QUICK, "augmentation.crop=0.1"), folds=2)
    first = Search(manifest, plan, tmp_path / "s", cache, resume=False)
    killed = first.study.ask()  # as a killed process leaves it
    rate = killed.suggest_float("learning_rate", 3e-4, 5e-3, log=True)
    with pytest.raises(RunError, match="--resume"):
        Search(manifest, plan, tmp_path / "s", cache, resume=False)
    again = Search(manifest, plan, tmp_path / "s", cache, resume=True)
    again.run(seconds=600, trials=1)
    table = rows(again)
    assert [row["state"] for row in table] == ["fail", "complete"]
    assert float(table[1]["learning_rate"]) == pytest.approx(rate)


def test_another_plan_is_not_mixed_in(done: Search, manifest: Manifest, cache: ArrayCache) -> None:
    for plan, named in (
        (Plan(("compact",), QUICK, folds=3), "folds"),
        (Plan(("compact",), (*QUICK, "batch_size=16"), folds=2), "settings"),
    ):
        with pytest.raises(RunError, match=f"other {named}"):
            Search(manifest, plan, done.out, cache, resume=True)


def test_time_that_is_over_ends_a_trial_and_keeps_no_score(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path
) -> None:
    search = Search(
        manifest, Plan(("compact",), QUICK, folds=2), tmp_path / "s", cache, resume=False
    )
    search.run(seconds=1e-3)
    write_page(search)
    assert search.best is None
    assert not (tmp_path / "s" / BEST).exists()
    assert [row["state"] for row in rows(search)] == ["pruned"]
    assert "No trial has finished" in (tmp_path / "s" / PAGE).read_text()


def test_what_diverges_is_a_trial_and_not_the_end(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: object) -> None:
        raise RunError("training has diverged")

    search = Search(
        manifest, Plan(("compact",), QUICK, folds=2), tmp_path / "s", cache, resume=False
    )
    monkeypatch.setattr(Trainer, "run_epoch", diverge)
    search.run(seconds=600, trials=2)
    trials = search.study.get_trials()
    assert [trial.state for trial in trials] == [optuna.trial.TrialState.PRUNED] * 2
    assert trials[0].user_attrs["why"] == "training has diverged"


def test_an_interrupted_search_keeps_what_was_finished(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Search(
        manifest, Plan(("compact",), QUICK, folds=2), tmp_path / "s", cache, resume=False
    )
    whole, epochs = Trainer.run_epoch, iter(range(100))

    def interrupted(*arguments: object) -> object:
        if next(epochs) == 5:  # in the second trial: two folds of two epochs are the first
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    with pytest.raises(RunInterruptedError, match="--resume"):
        search.run(seconds=600)
    assert [row["state"] for row in rows(search)] == ["complete"]
    assert (tmp_path / "s" / BEST).exists()


def test_a_damaged_search_is_refused(manifest: Manifest, cache: ArrayCache, tmp_path: Path) -> None:
    (tmp_path / STORAGE).write_text("not a database, and long enough to be looked at" * 9)
    with pytest.raises(RunError, match=r"cannot be opened as a search.*another --out"):
        Search(manifest, Plan(("compact",), QUICK), tmp_path, cache, resume=True)


@pytest.mark.parametrize(
    ("models", "settings", "named"),
    [
        (("compact",), tuple(f"{name}={_one(v)}" for name, v in SPACE.items()), "by hand"),
        (("model_7",), (), "frozen VGG16"),
        (("model_9",), (), "not a model"),
        (("compact",), ("speed=9",), "not a setting"),
    ],
)
def test_wrong_plans_are_refused_before_anything_is_written(
    manifest: Manifest,
    cache: ArrayCache,
    tmp_path: Path,
    models: tuple[str, ...],
    settings: tuple[str, ...],
    named: str,
) -> None:
    with pytest.raises(RecipeError, match=named):
        Search(manifest, Plan(models, settings), tmp_path / "s", cache, resume=False)
    assert not (tmp_path / "s" / STORAGE).exists()


def test_several_models_are_searched_among(manifest: Manifest) -> None:
    plan = Plan(("compact", "densenet121"))
    assert plan.space["model"] == ("compact", "densenet121")
    assert plan.recipe({"model": "densenet121"}).model == "densenet121"


def test_from_the_command_line(
    pneumoscope: Callable, phantom_dataset: Path, tmp_path: Path
) -> None:
    words = [word for setting in QUICK for word in ("--set", setting)]
    outcome = pneumoscope(
        "tune",
        phantom_dataset,
        "--out",
        tmp_path / "s",
        "--budget",
        "10m",
        "--folds",
        "2",
        "--trials",
        "1",
        *words,
    )
    assert outcome.code == 0, outcome.err
    assert str(tmp_path / "s" / PAGE) in outcome.out
    assert "trial 0: adjusted AUC" in outcome.err
    assert Counter(row["state"] for row in csv.DictReader((tmp_path / "s" / TRIALS).open())) == {
        "complete": 1
    }


@pytest.mark.parametrize("budget", ["2", "h", "-1h", "0m", "two hours", "infh", "nanm"])
def test_a_budget_that_is_no_time_is_refused(
    pneumoscope: Callable, phantom_dataset: Path, tmp_path: Path, budget: str
) -> None:
    outcome = pneumoscope("tune", phantom_dataset, "--out", tmp_path / "s", f"--budget={budget}")
    assert outcome.code == 1
    assert "such as 45m or 2h" in outcome.err
