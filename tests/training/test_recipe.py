"""Recipes: defaults of the notebook, reading and writing, and error messages."""

from pathlib import Path

import pytest

from pneumoscope.models import Precision, fastest_precision
from pneumoscope.support.errors import RecipeError
from pneumoscope.training import Recipe, make_recipe
from pneumoscope.training.recipe import Augmentation, ClassBalance


@pytest.mark.parametrize("number", range(1, 8))
def test_reproductions_have_the_notebooks_settings(number: int) -> None:
    recipe = make_recipe(f"model_{number}")
    assert recipe.epochs == (3 if number == 1 else 10)
    assert (recipe.reduce_on_plateau is not None) == (number >= 4)
    assert (recipe.image_size, recipe.batch_size, recipe.threshold) == (150, 32, 0.5)
    assert (recipe.learning_rate, recipe.adam_epsilon) == (1e-3, 1e-7)
    assert recipe.early_stopping is not None
    assert recipe.early_stopping.patience == 3
    assert not recipe.augmentation.active
    assert recipe.class_balance is ClassBalance.NONE


@pytest.mark.parametrize("precision", Precision)
def test_the_precision_is_recorded(precision: Precision, tmp_path: Path) -> None:
    """Recorded even where it was chosen automatically: another computer might choose another."""
    default = make_recipe("model_2")
    assert default.precision is fastest_precision()
    assert f"precision: {default.precision}\n" in default.to_yaml()
    explicit = make_recipe("model_2", assignments=[f"precision={precision}"])
    explicit.write(tmp_path / "recipe.yaml")
    assert Recipe.read(tmp_path / "recipe.yaml").precision is precision


def test_yaml_round_trip(tmp_path: Path) -> None:
    recipe = make_recipe(
        "model_6", assignments=["augmentation.flip=true", "early_stopping=null", "weights=none"]
    )
    recipe.write(tmp_path / "recipe.yaml")
    assert Recipe.read(tmp_path / "recipe.yaml") == recipe
    assert recipe.early_stopping is None


def test_single_settings_come_after_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 7\nlearning_rate: 0.01\naugmentation: {zoom: 0.2, flip: true}\n")
    recipe = make_recipe("model_2", file, ["learning_rate=1e-4", "augmentation.zoom=0.1"])
    assert (recipe.epochs, recipe.learning_rate) == (7, 1e-4)
    assert recipe.augmentation == Augmentation(zoom=0.1, flip=True)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("epocs: 3\n", "epocs"),
        ("augmentation: {rotations: 3}\n", "augmentation.rotations"),
        ("epochs: many\n", "epochs"),
        ("batch_size: 0\n", "batch_size"),
        ("model: model_3\n", "model_3"),
        ("epochs: [3\n", "YAML"),
        ("just words\n", "recipe"),
    ],
)
def test_a_bad_file_is_named_with_the_setting(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError) as raised:
        make_recipe("model_2", file)
    assert str(file) in str(raised.value)
    assert named in str(raised.value)


def test_an_unknown_setting_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecipeError, match=r"'augmentation\.spin'.*rotation, zoom, shift, flip"):
        make_recipe("model_2", assignments=["augmentation.spin=3"])


@pytest.mark.parametrize("assignment", ["epochs", "epochs=[", "epochs=-1", "threshold=2"])
def test_a_bad_assignment_is_refused(assignment: str) -> None:
    with pytest.raises(RecipeError, match="--set"):
        make_recipe("model_2", assignments=[assignment])


def test_two_schedules_at_once_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"^--set: one_cycle plans .* or one_cycle$"):
        make_recipe("model_4", assignments=["one_cycle.warmup=0.3"])


OLD_RECIPE = """
model: compact
seed: 3
precision: float32
early_stopping: null
one_cycle:
  rise: 0.3
augmentation:
  flip: true
  tones: 1.0
  border: 0.16
  frame: 0.12
  erase: 2
  mix: 0.1
class_balance: machines
"""
"""Recipe of version 0.1.0, which wrote no format."""


@pytest.mark.parametrize("heading", ["", "format: 1"])
def test_a_recipe_of_format_1_is_converted(tmp_path: Path, heading: str) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(heading + OLD_RECIPE)
    recipe = Recipe.read(file)
    assert recipe.one_cycle is not None
    assert recipe.one_cycle.warmup == 0.3
    assert recipe.augmentation == Augmentation(
        flip=True,
        histogram_matching=1,
        border_blank=0.16,
        border_swap=0.12,
        random_erasing=2,
        mixup=0.1,
    )
    assert recipe.class_balance is ClassBalance.ACQUISITION
    assert make_recipe("compact", file).augmentation == recipe.augmentation
    recipe.write(file)
    assert file.read_text().startswith("format: 2\n")
    assert Recipe.read(file) == recipe


@pytest.mark.parametrize(
    ("assignment", "new"),
    [
        ("augmentation.tones=1", "augmentation.histogram_matching"),
        ("augmentation.border=0.1", "augmentation.border_blank"),
        ("augmentation.frame=0.1", "augmentation.border_swap"),
        ("augmentation.erase=1", "augmentation.random_erasing"),
        ("augmentation.mix=0.1", "augmentation.mixup"),
        ("augmentation={erase: 1}", "augmentation.random_erasing"),
        ("one_cycle={rise: 0.2}", "one_cycle.warmup"),
        ("class_balance=machines", "acquisition"),
    ],
)
def test_an_old_name_is_refused_with_the_new_one(assignment: str, new: str) -> None:
    with pytest.raises(RecipeError, match=f"^--set: .* is now called '{new}'"):
        make_recipe("compact", assignments=[assignment])


def test_an_old_name_in_a_recipe_of_format_2_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("format: 2\nmodel: compact\naugmentation: {erase: 2}\n")
    with pytest.raises(RecipeError, match=r"recipe\.yaml: 'augmentation\.erase' is now called"):
        Recipe.read(file)


def test_a_recipe_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("format: 3\nmodel: compact\n")
    with pytest.raises(RecipeError, match=r"format 3.*use a newer pneumoscope"):
        Recipe.read(file)


def test_a_setting_of_a_group_leaves_its_others_as_they_are() -> None:
    usual = make_recipe("compact").augmentation
    changed = make_recipe("compact", augmentation={"rotation": 3}).augmentation
    assert changed == make_recipe("compact", assignments=["augmentation.rotation=3"]).augmentation
    assert changed == usual.model_copy(update={"rotation": 3})
    assert usual.rotation != 3
