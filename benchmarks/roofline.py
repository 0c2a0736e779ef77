"""Roofline model: seconds of each model's epoch, and of VGG16's pass, over the host's floor.

The floor follows from the operations and bytes of each layer and the host's measured rates. Results
in benchmarks/results/h200/floor.md were written when this benchmark was called `floor`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from benchmarks.host_rates import Rates, measure_rates
from benchmarks.layer_costs import (
    Cost,
    EpochSize,
    LayerWork,
    layers_of,
    learning_cost,
    update_bytes,
)
from benchmarks.report import Cell, Table, option_parser, publish
from benchmarks.timing import epoch_seconds, pass_seconds
from pneumoscope.models import (
    NOTEBOOK_MODELS,
    ModelSpec,
    Precision,
    describe_network,
    select_device,
)
from pneumoscope.models.model_spec import IMAGE_SIZE
from pneumoscope.models.vgg16 import vgg16_layers
from pneumoscope.support.terminal import messages, track
from pneumoscope.training.examples import pass_batch_size

ROUNDS = 3
BYTES_PER_NUMBER = {Precision.FLOAT32: 4, Precision.BFLOAT16: 2}

NOTE = """\
The floor of a layer is the longer of its matrix operations at the matrix rate and its bytes at the
copy rate; that of an epoch is the sum over its layers and Adam's updates. Bytes: a layer's input
and output once forward, its input and both gradients once backward, its parameters once for each
batch and direction. The strict floor is the matrix operations and Adam's bytes alone. A layer whose
numbers stay in the processor's caches can be faster than its floor. Models on VGG16 are trained on
its features. An epoch is training and validation: {train:,} and {validation:,} images, timed on
{timed:,} of them."""


@dataclass(frozen=True)
class Measurement:
    """Cost, floors and measured seconds of an epoch, or of VGG16's pass."""

    name: str
    precision: Precision
    cost: Cost
    floor: float
    strict_floor: float
    seconds: float

    def row(self) -> dict[str, Cell]:
        """Return the table's row."""
        return {
            "model": self.name,
            "precision": self.precision.value,
            "GFLOP/epoch": self.cost.operations / 1e9,
            "GB/epoch": self.cost.bytes / 1e9,
            "floor s": self.floor,
            "strict floor s": self.strict_floor,
            "measured s": self.seconds,
            "times the floor": self.seconds / self.floor,
        }


def measure_model(
    spec: ModelSpec,
    precision: Precision,
    rates: Rates,
    epoch: EpochSize,
    timed: EpochSize,
    rounds: int,
) -> Measurement:
    """Compute the floor of an epoch of a model, and time a part of the epoch."""
    layers = head_layers(spec)
    costs = [learning_cost(layer, epoch, BYTES_PER_NUMBER[precision]) for layer in layers]
    update = Cost(0, update_bytes(layers, epoch))
    seconds = epoch_seconds(spec, precision, timed, rounds) * epoch.images / timed.images
    return _measurement(spec.name, precision, rates, costs, update, seconds)


def measure_pass(
    precision: Precision, rates: Rates, epoch: EpochSize, timed: EpochSize
) -> Measurement:
    """Compute the floor of VGG16's pass over train and validation, and time it on a part."""
    batches = -(-epoch.images // pass_batch_size())
    layers = backbone_layers()
    costs = [layer.forward(epoch.images, batches, BYTES_PER_NUMBER[precision]) for layer in layers]
    seconds = pass_seconds(precision, timed) * epoch.images / timed.images
    return _measurement("VGG16's pass", precision, rates, costs, Cost(0, 0), seconds)


def head_layers(spec: ModelSpec) -> list[LayerWork]:
    """Return the trained layers of a model; models on VGG16 begin with its features."""
    shape = spec.feature_shape(IMAGE_SIZE) or (1, IMAGE_SIZE, IMAGE_SIZE)
    return layers_of(describe_network(spec).head, torch.zeros(1, *shape, device="meta"))


def backbone_layers() -> list[LayerWork]:
    """Return the layers of VGG16, which are frozen."""
    with torch.device("meta"):
        image = torch.zeros(1, 1, IMAGE_SIZE, IMAGE_SIZE)
        return layers_of(vgg16_layers().requires_grad_(False), image)


def _measurement(
    name: str,
    precision: Precision,
    rates: Rates,
    costs: Sequence[Cost],
    update: Cost,
    seconds: float,
) -> Measurement:
    total = sum(costs, update)
    return Measurement(
        name=name,
        precision=precision,
        cost=total,
        floor=sum(map(rates.floor, [*costs, update])),
        strict_floor=total.operations / rates.matrix + update.bytes / rates.copy,
        seconds=seconds,
    )


def _rates_table(rates: dict[Precision, Rates]) -> Table:
    rows: list[dict[str, Cell]] = [
        {
            "precision": precision.value,
            "matrix GFLOP/s": host.matrix / 1e9,
            "copy GB/s": host.copy / 1e9,
        }
        for precision, host in rates.items()
    ]
    note = "The best of matrix products and 3x3 convolutions; a copy reads and writes."
    return Table("Rates of the host", rows, note)


def _pass_table(
    passes: Sequence[Measurement], rates: dict[Precision, Rates], epoch: EpochSize
) -> Table:
    rows: list[dict[str, Cell]] = [
        {
            "precision": measured.precision.value,
            "GFLOP": measured.cost.operations / epoch.images / 1e9,
            "floor ms": measured.floor / epoch.images * 1e3,
            "measured ms": measured.seconds / epoch.images * 1e3,
            "fraction of the matrix rate": measured.cost.operations
            / measured.seconds
            / rates[measured.precision].matrix,
        }
        for measured in passes
    ]
    return Table("VGG16's pass, for one image", rows)


def _timed_part(epoch: EpochSize, device: torch.device, smallest: bool) -> EpochSize:
    """Return the timed part of an epoch: all of it on a GPU, some steps elsewhere."""
    steps = 2 if smallest else 16 if device.type == "cpu" else epoch.steps
    train = min(epoch.train, steps * epoch.batch)
    return EpochSize(train, max(1, round(train * epoch.validation / epoch.train)))


def main() -> None:
    """Run from the command line."""
    parser = option_parser(__doc__)
    parser.add_argument(
        "--images",
        type=int,
        nargs=2,
        metavar=("TRAIN", "VALIDATION"),
        default=(4187, 1045),
        help="number of images of an epoch (default: those of the notebook's data)",
    )
    arguments = parser.parse_args()
    epoch = EpochSize(*arguments.images)
    device = select_device()
    timed = _timed_part(epoch, device, arguments.smallest)
    rounds = 1 if arguments.smallest else ROUNDS
    with messages.status("Measuring the host's rates"):
        rates = {
            precision: measure_rates(device, precision, arguments.smallest)
            for precision in Precision
        }
    pairs = [(spec, precision) for spec in NOTEBOOK_MODELS.values() for precision in Precision]
    models = [
        measure_model(spec, precision, rates[precision], epoch, timed, rounds)
        for spec, precision in track(pairs, "Timing epochs", len(pairs))
    ]
    passes = [measure_pass(precision, rates[precision], epoch, timed) for precision in Precision]
    note = NOTE.format(train=epoch.train, validation=epoch.validation, timed=timed.images)
    epochs = Table("Epochs", [measured.row() for measured in [*models, *passes]], note)
    tables = [_rates_table(rates), epochs, _pass_table(passes, rates, epoch)]
    publish("roofline", tables, arguments.out)


if __name__ == "__main__":
    main()
