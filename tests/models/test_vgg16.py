"""VGG16's weights, from generated files of the published formats."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from pneumoscope.models import count_parameters, vgg16
from pneumoscope.models.vgg16 import (
    KERAS_FILE,
    KERAS_MD5,
    default_weights_path,
    load_vgg16,
    vgg16_layers,
)
from pneumoscope.support.errors import WeightsError

# Layer names and channels as in keras.applications.vgg16.
KERAS_LAYERS = [
    ("input_1", None),
    ("block1_conv1", (3, 64)),
    ("block1_conv2", (64, 64)),
    ("block1_pool", None),
    ("block2_conv1", (64, 128)),
    ("block2_conv2", (128, 128)),
    ("block2_pool", None),
    ("block3_conv1", (128, 256)),
    ("block3_conv2", (256, 256)),
    ("block3_conv3", (256, 256)),
    ("block3_pool", None),
    ("block4_conv1", (256, 512)),
    ("block4_conv2", (512, 512)),
    ("block4_conv3", (512, 512)),
    ("block4_pool", None),
    ("block5_conv1", (512, 512)),
    ("block5_conv2", (512, 512)),
    ("block5_conv3", (512, 512)),
    ("block5_pool", None),
]
# Indices of the convolutions in torchvision's vgg16().features.
TORCHVISION_CONVOLUTIONS = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


def kernels() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Draw a kernel (rows, columns, in, out) and a bias for every convolution, Keras' layout."""
    rng = np.random.default_rng(5)
    return {
        name: (
            rng.normal(0, (2 / (9 * shape[0])) ** 0.5, (3, 3, *shape)).astype(np.float32),
            rng.normal(0, 0.1, shape[1]).astype(np.float32),
        )
        for name, shape in KERAS_LAYERS
        if shape is not None
    }


def write_keras_file(path: Path) -> Path:
    """Write HDF5 like the published file: a group per layer, and names as attributes."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name, _ in KERAS_LAYERS]
        for name, _ in KERAS_LAYERS:
            file.create_group(name).attrs["weight_names"] = []
        for name, (kernel, bias) in kernels().items():
            group = file[name]
            group.attrs["weight_names"] = [f"{name}_W_1:0".encode(), f"{name}_b_1:0".encode()]
            group[f"{name}_W_1:0"], group[f"{name}_b_1:0"] = kernel, bias
    return path


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_keras_file(tmp_path_factory.mktemp("keras") / KERAS_FILE)


@pytest.fixture(scope="module")
def torchvision_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the same numbers as torchvision's state dict, its classifier (cut short) included."""
    state = {"classifier.6.weight": torch.zeros(2, 2), "classifier.6.bias": torch.zeros(2)}
    for index, (kernel, bias) in zip(TORCHVISION_CONVOLUTIONS, kernels().values(), strict=True):
        state[f"features.{index}.weight"] = torch.tensor(np.transpose(kernel, (3, 2, 0, 1)))
        state[f"features.{index}.bias"] = torch.tensor(bias)
    path = tmp_path_factory.mktemp("torchvision") / "vgg16-397923af.pth"
    torch.save(state, path)
    return path


def filled(path: Path) -> nn.Sequential:
    """Build VGG16 with the weights of a file, frozen."""
    layers = vgg16_layers().requires_grad_(False)
    layers.load_state_dict(load_vgg16(str(path), 0).state)
    return layers


def test_both_files_give_the_same_network(keras_file: Path, torchvision_file: Path) -> None:
    keras, torchvision = (load_vgg16(str(path), 0) for path in (keras_file, torchvision_file))
    assert keras.digest == torchvision.digest
    assert "Keras" in keras.origin
    assert "torchvision" in torchvision.origin
    # The report must not call these random numbers ImageNet's.
    assert "not the published weights" in keras.origin
    assert "not the published weights" in torchvision.origin


def test_published_values_are_recognised_in_a_file_of_other_bytes(
    keras_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vgg16, "KERAS_VALUES", load_vgg16(str(keras_file), 0).digest)
    assert load_vgg16(str(keras_file), 0).origin.endswith("published ImageNet weights")


def test_kernels_arrive_in_their_layers_and_orientation(keras_file: Path) -> None:
    layers = filled(keras_file)
    for name, (kernel, bias) in kernels().items():
        layer = layers.get_submodule(name)
        np.testing.assert_array_equal(layer.weight[7, 2].numpy(), kernel[:, :, 2, 7])
        np.testing.assert_array_equal(layer.bias.numpy(), bias)


def test_first_layer_convolves_as_keras_does(keras_file: Path) -> None:
    """Cross-correlation with zero padding, calculated with NumPy."""
    kernel, bias = kernels()["block1_conv1"]
    grey = np.random.default_rng(1).random((5, 6, 1)).astype(np.float32)
    image = np.repeat(grey, 3, axis=2)
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    expected = np.zeros((5, 6, 64))
    for row in range(5):
        for column in range(6):
            patch = padded[row : row + 3, column : column + 3]
            expected[row, column] = np.tensordot(patch, kernel, 3) + bias
    layer = filled(keras_file).block1_conv1
    features = layer(torch.tensor(grey.transpose(2, 0, 1))[None])[0].numpy()
    np.testing.assert_allclose(features, expected.transpose(2, 0, 1), rtol=1e-4, atol=1e-5)


def test_shape_and_parameters_are_vgg16s() -> None:
    layers = vgg16_layers().to("meta")
    assert count_parameters(layers).total == 14_714_688
    assert sum(isinstance(layer, nn.Conv2d) for layer in layers) == 13
    assert layers(torch.zeros(2, 1, 150, 150, device="meta")).shape == (2, 512, 4, 4)


def test_random_weights_follow_the_seed() -> None:
    first, same, other = (load_vgg16("none", seed) for seed in (0, 0, 1))
    assert first.digest == same.digest != other.digest
    assert "random weights" in first.origin


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    missing = tmp_path / "weights.h5"
    with pytest.raises(WeightsError, match="put the file") as raised:
        load_vgg16(str(missing), 0)
    assert str(missing) in str(raised.value)
    assert KERAS_FILE in str(raised.value)


def test_a_failed_download_names_file_path_and_checksum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Port 9 (discard) of this host refuses connections, as if there were no network.
    monkeypatch.setattr("pneumoscope.models.vgg16.KERAS_URL", f"http://127.0.0.1:9/{KERAS_FILE}")
    monkeypatch.setattr("pneumoscope.support.download._RETRY_SECONDS", ())
    with pytest.raises(WeightsError) as raised:
        load_vgg16("imagenet", 0)
    for part in (str(default_weights_path()), KERAS_FILE, KERAS_MD5, "--weights none"):
        assert part in str(raised.value)


def test_a_cached_file_must_be_the_published_one(
    keras_file: Path,
) -> None:
    place = default_weights_path()
    place.parent.mkdir(parents=True)
    place.write_bytes(keras_file.read_bytes())
    with pytest.raises(WeightsError, match=KERAS_MD5):
        load_vgg16("imagenet", 0)


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = write_keras_file(tmp_path / "other.h5")
    with h5py.File(path, "a") as file:
        del file["block4_conv2"]
    with pytest.raises(WeightsError, match=r"other\.h5.*block4_conv2"):
        load_vgg16(str(path), 0)


def test_a_wrong_shape_is_refused(tmp_path: Path) -> None:
    path = write_keras_file(tmp_path / "narrow.h5")
    with h5py.File(path, "a") as file:
        del file["block2_conv1"]["block2_conv1_W_1:0"]
        file["block2_conv1"]["block2_conv1_W_1:0"] = np.zeros((3, 3, 64, 32), np.float32)
    with pytest.raises(WeightsError, match="block2_conv1"):
        load_vgg16(str(path), 0)


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"\x89HDF\r\n\x1a\n cut off"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.pth"):
        load_vgg16(str(path), 0)
