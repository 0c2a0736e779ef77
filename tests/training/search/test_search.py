"""Search: folds by patient, an unread test split, and resuming without losses."""

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest
from sklearn.metrics import roc_auc_score

from pneumoscope.dataset import Manifest, Split, open_dataset
from pneumoscope.models import Precision
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import RecipeError, RunError, RunInterruptedError, StorageError
from pneumoscope.training import Recipe
from pneumoscope.training.examples import Examples
from pneumoscope.training.prediction import predict
from pneumoscope.training.search import PAGE_FILE, HeldOut, Search, SearchPlan, write_page
from pneumoscope.training.search.cross_validation import CrossValidation
from pneumoscope.training.search.plan import SPACE, Range
from pneumoscope.training.search.search import BEST_RECIPE_FILE, TRIALS_FILE
from pneumoscope.training.search.study import STORAGE_FILE
from pneumoscope.training.trainer import Trainer

QUICK = ("image_size=64", "epochs=2", "precision=float32")


@pytest.fixture(scope="module")
def manifest(few_phantoms: Path) -> Manifest:
    return open_dataset(few_phantoms)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> ArrayCache:
    return ArrayCache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def done(manifest: Manifest, cache: ArrayCache, tmp_path_factory: pytest.TempPathFactory) -> Search:
    """Return a search of two finished trials."""
    out = tmp_path_factory.mktemp("search") / "out"
    search = Search(manifest, SearchPlan(("compact",), QUICK, folds=2), out, cache, resume=False)
    search.run(seconds=600, trials=2)
    write_page(search)
    return search


def some_value(values: object) -> object:
    """Return a value of a setting's range."""
    return values.high if isinstance(values, Range) else values[0]


def rows(search: Search) -> list[dict[str, str]]:
    with (search.out / TRIALS_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_trial_is_a_row_and_the_best_a_recipe(done: Search) -> None:
    table = rows(done)
    assert [row["state"] for row in table] == ["complete", "complete"]
    scores = [float(row["score"]) for row in table]
    assert all(0 <= score <= 1 for score in scores)
    best = Recipe.read(done.out / BEST_RECIPE_FILE)
    chosen = table[scores.index(max(scores))]
    assert best.augmentation.crop == pytest.approx(float(chosen["augmentation.crop"]))
    assert best.learning_rate == pytest.approx(float(chosen["learning_rate"]))
    assert (best.image_size, best.epochs) == (64, 2)  # fixed, so not searched
    assert "image_size" not in table[0]


def test_trials_differ_within_the_space(done: Search) -> None:
    first, second = rows(done)
    assert first["learning_rate"] != second["learning_rate"]
    for row in (first, second):
        assert 3e-4 <= float(row["learning_rate"]) <= 5e-3
        assert 0 <= float(row["augmentation.crop"]) <= 0.5


def test_the_page_lists_the_trials(done: Search) -> None:
    page = (done.out / PAGE_FILE).read_text()
    assert "2 trials finished and 0 stopped early" in page
    assert "Synthetic images" in page
    assert f"{done.best.values[0]:.4f}" in page
    assert page.count("data:image/png;base64,") == 2


def test_the_test_split_is_not_read(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = {entry.path for entry in manifest.of(Split.TEST)}
    assert tested
    seen: set[str] = set()
    read = Examples._read

    def watch(self: Examples, indices: np.ndarray) -> object:
        seen.update(self.entries[index].path for index in indices)
        return read(self, indices)

    monkeypatch.setattr(Examples, "_read", watch)
    plan = SearchPlan(("compact",), (*QUICK, "augmentation.random_erasing=1"), folds=2)
    search = Search(manifest, plan, tmp_path / "s", cache, resume=False)
    search.run(seconds=600, trials=1)
    everything = {entry.path for entry in manifest.in_use}
    assert seen == search.cross_validation._acquisitions.keys() == everything - tested


def test_with_an_acquisition_held_out_the_score_is_the_auc_on_it(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated: list[tuple[set[str], float]] = []
    score = CrossValidation.score

    def watch(self: CrossValidation, trainer: Trainer) -> float:
        examples = trainer.validation
        probabilities = predict(trainer.result, examples, trainer.recipe.precision)
        paths = {entry.path for entry in examples.entries}
        evaluated.append((paths, roc_auc_score(examples.labels, probabilities)))
        assert paths.isdisjoint(entry.path for entry in trainer.train.entries)
        return score(self, trainer)

    monkeypatch.setattr(CrossValidation, "score", watch)
    plan = SearchPlan(("compact",), QUICK, folds=2, held_out=HeldOut.ACQUISITION)
    search = Search(manifest, plan, tmp_path / "s", cache, resume=False)
    search.run(seconds=600, trials=1)
    validation = {entry.path for entry in manifest.of(Split.VALIDATION)}
    assert all(paths > validation for paths, _ in evaluated)
    assert search.best.values[0] == pytest.approx(np.mean([auc for _, auc in evaluated]))


def test_the_first_trial_is_the_model_s_default_recipe(done: Search) -> None:
    first = rows(done)[0]
    assert float(first["learning_rate"]) == 2e-3
    assert float(first["augmentation.crop"]) == 0.45
    assert float(first["augmentation.stretch"]) == 0


def test_a_trial_worse_than_the_median_is_pruned(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.8, 0.8] * 5 + [0.7, 0.9])
    monkeypatch.setattr(CrossValidation, "score", lambda *_: next(scores))
    monkeypatch.setattr(Trainer, "finished", True)
    search = Search(
        manifest, SearchPlan(("compact",), QUICK, folds=2), tmp_path / "s", cache, resume=False
    )
    search.run(seconds=600, trials=6)
    assert [row["state"] for row in rows(search)] == ["complete"] * 5 + ["pruned"]
    assert search.study.trials[-1].user_attrs["reason"] == "worse than the median"
    assert next(scores) == 0.9  # its second fold was not trained


def test_a_resumed_search_keeps_its_precision(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path
) -> None:
    plan = SearchPlan(("compact",), ("epochs=2",), folds=2, precision=Precision.BFLOAT16)
    Search(manifest, plan, tmp_path / "s", cache, resume=False)
    other = replace(plan, precision=Precision.FLOAT32)
    again = Search(manifest, other, tmp_path / "s", cache, resume=True)
    assert again.plan.recipe({}).precision is Precision.BFLOAT16


def test_a_resumed_search_queues_the_running_trial_again(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path
) -> None:
    plan = SearchPlan(("compact",), (*QUICK, "augmentation.crop=0.1"), folds=2)
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


def test_another_plan_is_refused(done: Search, manifest: Manifest, cache: ArrayCache) -> None:
    for plan, named in (
        (SearchPlan(("compact",), QUICK, folds=3), "folds"),
        (SearchPlan(("compact",), (*QUICK, "batch_size=16"), folds=2), "settings"),
    ):
        with pytest.raises(RunError, match=f"other {named}"):
            Search(manifest, plan, done.out, cache, resume=True)


def test_a_search_of_version_0_1_is_refused(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path
) -> None:
    """Its trials are kept under setting names that no longer exist."""
    study = optuna.create_study(
        study_name="recipes", storage=f"sqlite:///{tmp_path / STORAGE_FILE}", direction="maximize"
    )
    old = {
        "data": manifest.fingerprint,
        "models": ["compact"],
        "settings": list(QUICK),
        "folds": 2,
        "held_out": "patients",
        "seed": 0,
        "precision": "float32",
    }
    for name, value in old.items():
        study.set_user_attr(name, value)
    study.enqueue_trial({"augmentation.erase": 2})
    plan = SearchPlan(("compact",), QUICK, folds=2, precision=Precision.FLOAT32)
    with pytest.raises(RunError, match=r"another version of pneumoscope.*another --out, or"):
        Search(manifest, plan, tmp_path, cache, resume=True)
    kept = optuna.load_study(study_name="recipes", storage=f"sqlite:///{tmp_path / STORAGE_FILE}")
    assert kept.user_attrs == old
    assert len(kept.trials) == 1


def test_a_trial_that_is_cut_short_has_no_score(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path
) -> None:
    search = Search(
        manifest, SearchPlan(("compact",), QUICK, folds=2), tmp_path / "s", cache, resume=False
    )
    search.run(seconds=1e-3)
    write_page(search)
    assert search.best is None
    assert not (tmp_path / "s" / BEST_RECIPE_FILE).exists()
    assert [row["state"] for row in rows(search)] == ["fail"]
    again = Search(manifest, search.plan, search.out, cache, resume=True)
    again.run(seconds=600, trials=1)
    cut_short, repeated = rows(again)
    assert repeated["state"] == "complete"
    assert repeated["learning_rate"] == cut_short["learning_rate"]
    assert "No trial has finished" in (tmp_path / "s" / PAGE_FILE).read_text()


def test_a_diverging_trial_is_pruned(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: object) -> None:
        raise RunError("training has diverged")

    search = Search(
        manifest, SearchPlan(("compact",), QUICK, folds=2), tmp_path / "s", cache, resume=False
    )
    monkeypatch.setattr(Trainer, "run_epoch", diverge)
    search.run(seconds=600, trials=2)
    trials = search.study.get_trials()
    assert [trial.state for trial in trials] == [optuna.trial.TrialState.PRUNED] * 2
    assert trials[0].user_attrs["reason"] == "training has diverged"


def test_an_interrupted_search_keeps_finished_trials(
    manifest: Manifest,
    cache: ArrayCache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    search = Search(
        manifest, SearchPlan(("compact",), QUICK, folds=2), tmp_path / "s", cache, resume=False
    )
    whole, epochs = Trainer.run_epoch, iter(range(100))

    def interrupted(*arguments: object) -> object:
        if next(epochs) == 5:  # in the second trial: two folds of two epochs are the first
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(Trainer, "run_epoch", interrupted)
    with pytest.raises(RunInterruptedError, match="--resume"):
        search.run(seconds=600)
    assert "Traceback" not in capfd.readouterr().err
    assert (tmp_path / "s" / BEST_RECIPE_FILE).exists()
    again = Search(manifest, search.plan, search.out, cache, resume=True)
    again.run(seconds=600, trials=1)
    table = rows(again)
    assert [row["state"] for row in table] == ["complete", "fail", "complete"]
    assert table[2]["learning_rate"] == table[1]["learning_rate"]


def test_a_damaged_search_is_refused(manifest: Manifest, cache: ArrayCache, tmp_path: Path) -> None:
    (tmp_path / STORAGE_FILE).write_text("not a database, and long enough to be looked at" * 9)
    with pytest.raises(RunError, match=r"cannot be opened as a search.*another --out"):
        Search(manifest, SearchPlan(("compact",), QUICK), tmp_path, cache, resume=True)


@pytest.mark.parametrize(
    ("models", "settings", "named"),
    [
        (
            ("compact",),
            tuple(f"{name}={some_value(values)}" for name, values in SPACE.items()),
            "is fixed",
        ),
        (("model_7",), (), "frozen layers"),
        (("model_9",), (), "not a model"),
        (("compact",), ("speed=9",), "not a setting"),
        (("compact",), ("seed=5",), "--seed"),
        (("compact",), ("model=model_7",), "--model"),
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
        Search(manifest, SearchPlan(models, settings), tmp_path / "s", cache, resume=False)
    assert not (tmp_path / "s" / STORAGE_FILE).exists()


def test_a_fixed_group_of_settings_is_not_searched() -> None:
    plan = SearchPlan(("compact",), ("augmentation={flip: true}",))
    assert not [name for name in plan.space if name.startswith("augmentation")]
    assert "learning_rate" in plan.space


def test_a_folder_that_cannot_be_created_is_named(
    manifest: Manifest, cache: ArrayCache, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot be created.*another --out"):
        Search(
            manifest, SearchPlan(("compact",), QUICK), tmp_path / "file" / "s", cache, resume=False
        )


def test_a_search_among_several_models(manifest: Manifest) -> None:
    plan = SearchPlan(("compact", "densenet121"))
    assert plan.space["model"] == ("compact", "densenet121")
    assert plan.recipe({"model": "densenet121"}).model == "densenet121"


def test_from_the_command_line(pneumoscope: Callable, few_phantoms: Path, tmp_path: Path) -> None:
    words = [word for setting in QUICK for word in ("--set", setting)]
    outcome = pneumoscope(
        "tune",
        few_phantoms,
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
    assert str(tmp_path / "s" / PAGE_FILE) in outcome.out
    assert "trial 0: score" in outcome.err
    assert Counter(
        row["state"] for row in csv.DictReader((tmp_path / "s" / TRIALS_FILE).open())
    ) == {"complete": 1}


@pytest.mark.parametrize("budget", ["2", "h", "-1h", "0m", "two hours", "infh", "nanm"])
def test_an_invalid_budget_is_refused(
    pneumoscope: Callable, phantom_dataset: Path, tmp_path: Path, budget: str
) -> None:
    outcome = pneumoscope("tune", phantom_dataset, "--out", tmp_path / "s", f"--budget={budget}")
    assert outcome.code == 1
    assert "such as 45m or 2h" in outcome.err
