"""Command line: help texts, tables and errors."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
import typer

from pneumoscope import __version__, cli
from pneumoscope.evaluation.statistics.discrimination import PREVALENCES
from pneumoscope.reader import SHIPPED, Bundle
from pneumoscope.training import Run


def find_commands(
    command: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command of the application with the words that call it."""
    if words:
        yield words, command
    for name, part in getattr(command, "commands", {}).items():
        yield from find_commands(part, (*words, name))


APPLICATION = typer.main.get_command(cli.app)
COMMANDS = dict(find_commands(APPLICATION))
OPTIONS = [
    pytest.param(option, id=f"{' '.join(words)} {option.name}")
    for words, command in {(): APPLICATION, **COMMANDS}.items()
    for option in command.params
]
RIDDLE = re.compile(r"(What|Who|Whose|Of|By|As|That|Where|How|Gets)\b")


def test_all_commands_are_found() -> None:
    assert {("read",), ("data", "manifest"), ("audit", "verify"), ("serve",)} <= COMMANDS.keys()
    assert len(COMMANDS) >= 24


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_a_help_text_with_an_example(
    pneumoscope: Callable, words: tuple[str, ...]
) -> None:
    outcome = pneumoscope(*words, "--help")
    assert outcome.code == 0
    heading = COMMANDS[words].get_short_help_str(limit=200)
    assert re.match(r"[A-Z][a-z]+ ", heading)
    assert not RIDDLE.match(heading)
    is_group = hasattr(COMMANDS[words], "commands") and words != ("models",)
    if not is_group:
        assert "Example" in outcome.out
        assert f"pneumoscope {' '.join(words)}" in " ".join(outcome.out.split())


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_has_a_help_text_that_can_be_read_alone(option: click.Parameter) -> None:
    text = getattr(option, "help", None) or ""
    assert re.match(r"[A-Z].+\.$", text), f"{option.name}: {text!r}"
    assert not RIDDLE.match(text)


def test_help_states_the_default_prevalences(pneumoscope: Callable) -> None:
    *first, last = (f"{prevalence:g}" for prevalence in PREVALENCES)
    text = " ".join(pneumoscope("validate", "--help").out.replace("│", " ").split())
    assert f"[default: ({', '.join(first)} and {last})]" in text


def test_version(pneumoscope: Callable) -> None:
    assert pneumoscope("version").out.strip() == __version__


def test_models_lists_all_with_their_parameters(pneumoscope: Callable) -> None:
    outcome = pneumoscope("models")
    assert outcome.code == 0
    for number in ("355,425", "42,553,025", "9,597,697", "2,496", "14,714,688", "14,715,712"):
        assert number in outcome.out


def test_models_show_prints_the_layers(pneumoscope: Callable) -> None:
    out = pneumoscope("models", "show", "model_3").out
    assert "9,470,208" in out
    assert "128 × 17 × 17" in out
    assert "Not trainable: 1,216" in out


def test_bundles_are_shown_side_by_side(pneumoscope: Callable, exported: Path) -> None:
    outcome = pneumoscope("bundles", exported, exported)
    assert outcome.code == 0
    record = Bundle.open(exported).record
    (auc,) = (line for line in outcome.out.splitlines() if "AUC, test" in line)
    assert auc.count(f"{record.metrics['test']['auc'].value:.3f} (") == 2
    assert outcome.out.count("Sensitivity, test") == 3
    specificity = record.operating_points["confirm"].measured["specificity"]
    rows = [line for line in outcome.out.splitlines() if "Specificity, as fitted" in line]
    assert rows[2].count(f"{specificity.value:.3f} (") == 2
    assert f"{record.operating_points['confirm'].threshold:.3f}" in outcome.out


def test_the_shipped_bundles_are_shown_by_default(pneumoscope: Callable) -> None:
    assert Bundle.open(SHIPPED).identity in pneumoscope("bundles").out


def test_an_error_is_a_message_and_debug_shows_its_traceback(
    pneumoscope: Callable,
) -> None:
    outcome = pneumoscope("models", "show", "model_9")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: model: 'model_9'")
    assert "Traceback" not in outcome.err
    with pytest.raises(cli.PneumoscopeError):
        cli.main(["models", "show", "model_9", "--debug"])


def test_a_wrong_call_exits_with_2(pneumoscope: Callable) -> None:
    outcome = pneumoscope("experiment", "--out", "somewhere")
    assert outcome.code == 2
    assert "SOURCE" in outcome.err


def test_a_missing_extra_is_named(pneumoscope: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("pneumoscope.models")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    outcome = pneumoscope("models")
    assert outcome.code == 1
    assert 'pip install "pneumoscope[train]"' in outcome.err


def test_an_unexpected_error_asks_for_a_report(
    pneumoscope: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("pneumoscope.dataset.open_dataset", broken)
    outcome = pneumoscope("data", "manifest", tmp_path, "--out", tmp_path / "m.parquet")
    assert outcome.code == 1
    assert "ZeroDivisionError: a defect" in outcome.err
    assert "--debug" in outcome.err
    assert "Traceback" not in outcome.err


def test_evaluate_prints_the_metrics_of_a_run(
    pneumoscope: Callable, small_dataset: Path, tmp_path: Path
) -> None:
    trained = pneumoscope(
        *("train", small_dataset, "--model", "model_1", "--out", tmp_path),
        *("--set", "image_size=64", "--set", "epochs=1"),
    )
    assert trained.code == 0, trained.err
    assert "model_1, validation split" in trained.out
    assert "test split" not in trained.out
    assert not (tmp_path / "model_1" / "test_readings.csv").exists()
    outcome = pneumoscope("evaluate", tmp_path / "model_1")
    assert outcome.code == 0
    assert "has been read once on this host" in outcome.out
    assert "n = 16" in outcome.out
    assert " to " in outcome.out  # the intervals
    assert "specificity" in outcome.out


def test_the_test_split_is_read_where_it_is_asked_for_and_counted_over_runs(
    pneumoscope: Callable, small_dataset: Path, tmp_path: Path
) -> None:
    words = ("train", small_dataset, "--model", "model_1", "--set", "image_size=64")
    for number, times in enumerate(("once", "2 times")):
        out = tmp_path / str(number)
        outcome = pneumoscope(*words, "--set", "epochs=1", "--test", "--out", out)
        assert outcome.code == 0, outcome.err
        assert "model_1, test split" in outcome.out
        assert f"has been read {times} on this host" in " ".join(outcome.out.split())
        assert len((out / "model_1" / "test_readings.csv").read_text().splitlines()) == 2


def test_the_seed_of_a_recipe_file_holds_unless_another_is_given(
    pneumoscope: Callable, small_dataset: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 7\nimage_size: 64\nepochs: 1\n")
    words = ("train", small_dataset, "--model", "model_1", "--recipe", file)
    for name, more, seed in (("a", (), 7), ("b", ("--seed", "3"), 3)):
        assert pneumoscope(*words, "--out", tmp_path / "runs", "--name", name, *more).code == 0
        run = Run.open(tmp_path / "runs" / name)
        assert run.recipe.seed == run.manifest().seed == seed


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", "/tmp/a"])
def test_a_run_s_name_is_no_path(
    pneumoscope: Callable, small_dataset: Path, tmp_path: Path, name: str
) -> None:
    words = ("train", small_dataset, "--model", "model_1", "--out", tmp_path / "runs")
    outcome = pneumoscope(*words, "--name", name)
    assert outcome.code == 1
    assert "--name must be the name of a folder" in outcome.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("verb", ["train", "experiment", "tune"])
def test_an_absent_device_is_named(
    pneumoscope: Callable, small_dataset: Path, tmp_path: Path, verb: str
) -> None:
    words = {"train": ("--model", "model_1"), "tune": ("--budget", "1s")}.get(verb, ())
    outcome = pneumoscope(
        *(verb, small_dataset, "--out", tmp_path / "out", *words, "--device", "cuda:99")
    )
    assert outcome.code == 1
    assert "there is no device 'cuda:99' here; there are: cpu" in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("excel", r"--log must be one of tensorboard, mlflow, wandb, not 'excel'"),
        ("wandb", r'needs wandb, which is not installed; run: pip install "pneumoscope\[wandb\]"'),
    ],
)
def test_a_logger_that_is_not_there_is_an_error_before_the_training(
    pneumoscope: Callable,
    small_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    reason: str,
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    words = ("train", small_dataset, "--model", "model_1", "--out", tmp_path / "runs")
    outcome = pneumoscope(*words, "--log", name)
    assert outcome.code == 1
    assert re.search(reason, " ".join(outcome.err.split())), outcome.err
    assert not (tmp_path / "runs").exists()


def test_interrupted_exits_with_130(
    pneumoscope: Callable, small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pneumoscope.training.trainer.Trainer.run_epoch", interrupted)
    outcome = pneumoscope(
        *("train", small_dataset, "--model", "model_1", "--out", tmp_path),
        *("--set", "image_size=64"),
    )
    assert outcome.code == 130
    assert "--resume" in outcome.err
    assert "Traceback" not in outcome.err
