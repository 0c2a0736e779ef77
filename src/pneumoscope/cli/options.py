"""Options that several commands share, and functions that open what they name."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from pneumoscope.support.errors import BundleError, PredictionsError, RunError

if TYPE_CHECKING:
    from pneumoscope.dataset import Manifest
    from pneumoscope.dataset.tables.form import TableForm
    from pneumoscope.reader.population import Population
    from pneumoscope.report.post_test_probability import Prevalence
    from pneumoscope.support.cache import ArrayCache
    from pneumoscope.training import Recipe


SplitUnit: TypeAlias = Literal["patient", "image"]

SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="SOURCE",
        help="Dataset: a folder (SPLIT/CLASS/* or CLASS/*), a table (CSV or Parquet with the "
        "columns file and label), or a manifest.",
    ),
]
ImagesOption = Annotated[
    Path | None,
    typer.Option(
        "--images",
        metavar="DIR",
        help="Folder that file names in a table or manifest are relative to.",
        show_default="the table's folder, or the one noted in the manifest",
    ),
]
SplitByChoice = Annotated[
    SplitUnit | None,
    typer.Option(
        "--split-by",
        help="Unit kept on one side when the validation split is drawn. With image, as in the "
        "notebook, patients leak from train into validation.",
        show_default="patient",
    ),
]
PatientFromOption = Annotated[
    str | None,
    typer.Option(
        "--patient-from",
        metavar="REGEX",
        help="Regular expression that finds the patient in an image's path, where neither table "
        "nor DICOM names it: its group, or the whole match. For ward3/p17_2.png: '(p\\d+)_'.",
    ),
]
SplitSeedOption = Annotated[int, typer.Option("--seed", min=0, help="Random seed of the split.")]
SeedOption = Annotated[
    int | None,
    typer.Option(
        "--seed",
        min=0,
        help="Random seed of the split, the initial weights and the order of images.",
        show_default="the recipe's, or 0",
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict", help="Stop at the first unreadable image instead of setting it aside."
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Setting of the recipe, such as epochs=5 or augmentation.rotation=10; repeatable.",
    ),
]
RecipeOption = Annotated[
    Path | None,
    typer.Option("--recipe", metavar="YAML", help="Recipe file; --set overrides its settings."),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="imagenet|none|PATH|NAME",
        help="Pretrained weights. For VGG16: imagenet (downloaded once), none (random), or a Keras "
        "or torchvision file. For the model 'hub': a name on the Hugging Face hub, or a folder.",
        show_default="the recipe's; imagenet for VGG16",
    ),
]
ResumeOption = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue an interrupted call from its last finished epoch, or a finished one to the "
        "number of epochs in --set epochs=N.",
    ),
]


def _compute_on(context: typer.Context, name: str | None) -> str | None:
    """Compute on the device of ``--device`` until the command ends."""
    if name is not None:
        from pneumoscope.models import computing_on

        context.with_resource(computing_on(name))
    return name


DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="cpu|cuda|cuda:1|mps",
        help="Device to compute on: the processor, NVIDIA's first GPU, its second, or Apple's GPU.",
        show_default="cuda if there is one, else cpu",
        callback=_compute_on,
        is_eager=True,
    ),
]
LogOption = Annotated[
    list[str] | None,
    typer.Option(
        "--log",
        metavar="tensorboard|mlflow|wandb",
        help="Tool to log the training to as well, with its recipe, metrics of each epoch and a "
        "few training images: TensorBoard, MLflow or Weights & Biases; repeatable.",
        show_default="none",
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option("--dry-run", help="Estimate the time and memory of the training, and stop."),
]

LabelsOption = Annotated[
    Path,
    typer.Option(
        "--labels",
        metavar="TABLE",
        help="Table of labels with the columns file and label, and optionally patient, age, sex, "
        "site and others, which become subgroups; or a manifest that 'pneumoscope data "
        "manifest' wrote from a table with other columns.",
    ),
]
LabelledImagesOption = Annotated[
    Path,
    typer.Option(
        "--images", metavar="DIR", help="Folder that file names in --labels are relative to."
    ),
]
NegativeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--negative",
        metavar="LABEL",
        help="Further label that counts as no pneumonia, such as OTHER; repeatable.",
    ),
]
SecondReaderOption = Annotated[
    Path | None,
    typer.Option(
        "--second-reader",
        metavar="CSV",
        help="Table of a second reader of the same images, with the columns file and label, and "
        "optionally usable (yes or no). Metrics are reported against each reader and where both "
        "agree; nothing is chosen with it.",
    ),
]
BundleOption = Annotated[
    str,
    typer.Option(
        "--bundle", metavar="BUNDLE", help="Bundle to read with: a folder, 'default' or 'adults'."
    ),
]
AutomaticBundleOption = Annotated[
    str,
    typer.Option(
        "--bundle",
        metavar="BUNDLE",
        help="Bundle to read with: 'auto' (chosen by the patient's age), 'default' (children), "
        "'adults', or a folder.",
    ),
]
OperatingPointOption = Annotated[
    str,
    typer.Option(
        "--at",
        metavar="screening|balanced|confirm",
        help="Operating point of the bundle, whose threshold decides the finding.",
    ),
]
AbstainOption = Annotated[
    bool,
    typer.Option(
        "--abstain",
        help="Give no finding, but UNCERTAIN, within the bundle's uncertain band; otherwise such a "
        "finding is marked as of low confidence.",
    ),
]
SitePrevalenceOption = Annotated[
    list[float] | None,
    typer.Option(
        "--prevalence",
        help="Prevalence of pneumonia among the patients, between 0 and 1, at which the meaning of "
        "the findings is stated; repeat for a range.",
        show_default="0.05 to 0.3",
    ),
]
PrevalenceOption = Annotated[
    list[float] | None,
    typer.Option(
        "--prevalence",
        help="Prevalence of pneumonia, between 0 and 1, at which PPV and NPV are stated; "
        "repeatable.",
        show_default="0.05, 0.2 and 0.6",
    ),
]
DrawsOption = Annotated[
    int,
    typer.Option(
        "--draws",
        min=100,
        help="Number of bootstrap resamples, drawn by patient where patients are known.",
    ),
]
QuickOption = Annotated[
    bool,
    typer.Option(
        "--quick", help="Skip the stress tests: robustness, shortcuts and galleries of errors."
    ),
]

ClinicDataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data folder of the clinic: files, keys and the SQLite database; 'serve' creates it.",
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="PNEUMOSCOPE_DATABASE",
        help="Database URL, such as postgresql+psycopg://USER@HOST/NAME. Pass a URL with a "
        "password in the environment: command lines are visible to every user of the host.",
        show_default="SQLite in --data",
    ),
]


def open_source(
    source: Path,
    images: Path | None = None,
    split_by: SplitUnit | None = None,
    seed: int = 0,
    strict: bool = False,
    patient_from: str | None = None,
    negatives: Sequence[str] | None = None,
    form: "TableForm | None" = None,
) -> "Manifest":
    """Open a dataset as the options name it."""
    from pneumoscope.dataset import open_dataset
    from pneumoscope.dataset.manifest import SplitBy
    from pneumoscope.dataset.patients import compile_patient_pattern
    from pneumoscope.dataset.tables.form import USUAL_FORM

    unit = None if split_by is None else SplitBy(split_by)
    pattern = None if patient_from is None else compile_patient_pattern(patient_from)
    return open_dataset(
        source, images, unit, seed, strict, pattern, negatives or (), form or USUAL_FORM
    )


def open_cache() -> "ArrayCache":
    """Open the user's cache of prepared arrays."""
    from pneumoscope.support.cache import open_user_cache

    return open_user_cache()


def recipe_from_options(
    model: str,
    file: Path | None,
    weights: str | None,
    seed: int | None,
    settings: Sequence[str] | None,
) -> "Recipe":
    """Return a model's recipe, changed by the options that were given."""
    from pneumoscope.training import make_recipe

    options = {"seed": seed, "weights": weights}
    changes = {name: value for name, value in options.items() if value is not None}
    return make_recipe(model, file, settings or (), **changes)


def check_run_name(name: str) -> str:
    """Return the name of a Run's folder, or raise if it is a path or hidden.

    Examples
    --------
    >>> check_run_name("model_4-flipped")
    'model_4-flipped'
    >>> check_run_name("../model_4")
    Traceback (most recent call last):
    pneumoscope.support.errors.RunError: --name must be the name of a folder, ...
    """
    if Path(name).name != name or name.startswith("."):
        raise RunError(
            f"--name must be the name of a folder, without a path or a leading dot, not '{name}'; "
            "name the folder that it lies in with --out"
        )
    return name


def prevalences_from_options(values: Sequence[float] | None) -> list[float]:
    """Return the prevalences of ``--prevalence``, each between 0 and 1, or the default ones."""
    from pneumoscope.evaluation.statistics.discrimination import PREVALENCES

    _require_shares(values or ())
    return list(values or PREVALENCES)


def prevalence_from_option(values: Sequence[float] | None) -> "Prevalence":
    """Return the range of ``--prevalence``, or a wide one if it is unknown.

    Examples
    --------
    >>> str(prevalence_from_option([0.2, 0.1])), str(prevalence_from_option(None))
    ('10 to 20 %', '5 to 30 %')
    """
    from pneumoscope.report.post_test_probability import UNKNOWN_PREVALENCE, Prevalence

    if not values:
        return UNKNOWN_PREVALENCE
    _require_shares(values)
    return Prevalence(min(values), max(values))


def _require_shares(prevalences: Sequence[float]) -> None:
    for value in prevalences:
        if not 0 < value < 1:
            raise PredictionsError(
                f"--prevalence must be between 0 and 1, such as 0.05, not {value:g}"
            )


def population_from_options(
    name: str, ages: str | None, views: Sequence[str] | None
) -> "Population | None":
    """Return the population of ``--patients``, ``--ages`` and ``--view``; None where none is given.

    Examples
    --------
    >>> children = population_from_options("children", "1-5", None)
    >>> children.describe_ages(), children.views
    ('children of 1 to 5 years', ('AP', 'PA'))
    """
    from pneumoscope.reader.population import FRONTAL_VIEWS, Population

    if ages is None and views is None and name == "all patients":
        return None
    match = re.fullmatch(r"(\d{1,3})?-(\d{1,3})?", ages or "-")
    low, high = (None if end is None else int(end) for end in match.groups()) if match else (1, 0)
    if ages == "-" or (low is not None and high is not None and low > high):
        raise BundleError(
            f"--ages must be two ages in years, or one and a hyphen, such as 1-5, 18- or -17, not "
            f"{ages}"
        )
    return Population(name=name, min_age=low, max_age=high, views=tuple(views or FRONTAL_VIEWS))
