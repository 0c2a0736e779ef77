"""Training loop: epochs of batches, as Keras' ``fit`` runs them."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.models import Network, computing_in, place, select_device
from pneumoscope.support.errors import RunError
from pneumoscope.training.augmentation import augment, mixup
from pneumoscope.training.best_weights import BestWeights
from pneumoscope.training.cuda_graph import CudaGraphStep
from pneumoscope.training.examples import Examples, batches
from pneumoscope.training.history import Epoch, kept_epoch
from pneumoscope.training.optimizer import GroupedAdamW
from pneumoscope.training.prediction import forward, predict_logits
from pneumoscope.training.recipe import ClassBalance, EpochChoice, Recipe
from pneumoscope.training.schedule import LearningRateSchedule, one_cycle
from pneumoscope.training.subtype_task import SubtypeTask, viral_targets
from pneumoscope.training.weight_average import WeightAverage

_PROGRESS_BATCHES = 16
"""Number of batches between two reports of the loss, each of which waits for the device."""

MAX_LOSS = 1e6
"""Mean training loss of an epoch from which on training has diverged; chance has a loss of 0.7, and
penalties of some 10 are usual."""


class Trainer:
    """Network in training, with the state that its next epoch depends on.

    All randomness of an epoch comes from the recipe's seed and the epoch's number, and the schedule
    follows from the history. So an epoch is the same whether or not the process was interrupted
    before it. Training examples are drawn in proportion to the sampling weights, shape (n,), or
    each once an epoch where there are none.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        train: Examples,
        validation: Examples,
        sampling_weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.recipe = recipe
        self.train = train
        self.validation = validation
        self.device = select_device()
        self.network = place(network, self.device)
        self._sampling_weights = sampling_weights
        self._subtypes: SubtypeTask | None = None
        if recipe.subtype_weight:
            self._subtypes = SubtypeTask(network).to(self.device)
        extra = [] if self._subtypes is None else [self._subtypes]
        self.optimizer = GroupedAdamW(network, recipe, extra)
        self._average: WeightAverage | None = None
        if recipe.weight_average:
            self._average = WeightAverage(network.head, recipe.weight_average)
        self._best: BestWeights | None = None
        if recipe.keep is EpochChoice.BEST:
            self._best = BestWeights(network.head)
        self._graph_step: tuple[bool, CudaGraphStep] | None = None
        self.history: list[Epoch] = []
        self.schedule = LearningRateSchedule(
            recipe.learning_rate, recipe.early_stopping, recipe.reduce_on_plateau
        )
        weights = class_weights(train.labels).astype(np.float32)
        self._sum_type = torch.float32 if self.device.type == "mps" else torch.float64
        self._class_weights = torch.from_numpy(weights).to(self.device)

    @property
    def result(self) -> Network:
        """Network that is saved: after the last epoch, or the best if the recipe asks for it."""
        return self._evaluated if self._best is None else self._with_head(self._best.network)

    @property
    def _evaluated(self) -> Network:
        """Network that each epoch evaluates, with averaged weights if the recipe asks for them."""
        return self.network if self._average is None else self._with_head(self._average.network)

    def _with_head(self, head: nn.Module) -> Network:
        assert isinstance(head, nn.Sequential)
        network = self.network
        return Network(head, network.backbone, network.penalised, network.pretrained)

    @property
    def kept_epoch(self) -> int:
        """Number of the epoch whose weights `result` has."""
        return kept_epoch(self.history, best=self._best is not None)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done or the training was stopped early."""
        return self.schedule.stopped or len(self.history) >= self.recipe.epochs

    def run_epoch(self, on_batches: Callable[[int, float], None]) -> Epoch:
        """Train an epoch, evaluate it on validation and update the schedule.

        Every few batches the function is called with the number of batches since the last call and
        the mean loss of the epoch so far.

        Raises
        ------
        RunError
            If the loss is infinite or not a number.
        """
        started = time.perf_counter()
        number = len(self.history) + 1
        self.optimizer.learning_rate = self.schedule.learning_rate
        loss, (false_positives, true_positives, false_negatives) = self._train(number, on_batches)
        logits = predict_logits(self._evaluated, self.validation, self.recipe.precision)
        val_loss = self._validation_loss(logits)
        if not loss < MAX_LOSS or not np.isfinite(val_loss):  # NaN fails the comparison too
            raise RunError(
                f"epoch {number}: the loss is {loss:g}, on validation {val_loss:g}: training has "
                "diverged; lower learning_rate and train again into another --out"
            )
        metrics = measure(
            self.validation.predictions(logits.sigmoid().numpy()), self.recipe.threshold
        )
        epoch = Epoch(
            epoch=number,
            loss=loss,
            precision=proportion(true_positives, true_positives + false_positives).value,
            recall=proportion(true_positives, true_positives + false_negatives).value,
            val_loss=val_loss,
            val_precision=metrics.value("ppv"),
            val_recall=metrics.value("sensitivity"),
            val_auc=metrics.value("auc"),
            learning_rate=self.optimizer.learning_rate,
            seconds=round(time.perf_counter() - started, 3),
            val_accuracy=metrics.value("accuracy"),
        )
        self._append(epoch)
        if self._best is not None:
            self._best.update(self._evaluated.head, val_loss)
        return epoch

    def state(self) -> dict[str, Any]:
        """Return the state for `restore`, without the frozen backbone."""
        state = {
            "head": self.network.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
        }
        if self._average is not None:
            state["average"] = self._average.state_dict()
        if self._best is not None:
            state["best"] = self._best.state_dict()
        if self._subtypes is not None:
            state["subtypes"] = self._subtypes.state_dict()
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the state of `state`."""
        self.network.head.load_state_dict(state["head"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        if self._best is not None:
            self._best.load_state_dict(state["best"])
        if self._subtypes is not None:
            self._subtypes.load_state_dict(state["subtypes"])
        for row in state["history"]:
            self._append(Epoch(**row))

    def _append(self, epoch: Epoch) -> None:
        self.history.append(epoch)
        self.schedule.update(epoch.val_loss)

    def _train(
        self, number: int, on_batches: Callable[[int, float], None]
    ) -> tuple[float, tuple[int, int, int]]:
        """Return the mean loss and (false positives, true positives, false negatives)."""
        order_seed, dropout_seed, augmentation_seed = np.random.SeedSequence(
            [self.recipe.seed, number]
        ).generate_state(3)
        torch.manual_seed(int(dropout_seed))
        generator = torch.Generator().manual_seed(int(augmentation_seed))
        order = self._order(np.random.default_rng(order_seed))
        self.network.train()
        step = self._step_function(frozen=number <= self.recipe.head_epochs)
        epoch_targets = self._targets(order)
        total = torch.zeros((), dtype=self._sum_type, device=self.device)
        logits: list[Tensor] = []
        number_of_batches = done = 0
        for number_of_batches, indices in enumerate(
            batches(order, self.recipe.batch_size), start=1
        ):
            self._set_one_cycle_rate(number - 1 + done / len(order))
            inputs = self.train.batch(indices, self.device)
            targets = epoch_targets[done : done + len(indices)]
            loss, batch_logits = step(*self._augment(inputs, targets, generator))
            if self._average is not None:
                self._average.update(self.network.head)
            logits.append(batch_logits)
            total += loss * len(indices)
            done += len(indices)
            if number_of_batches % _PROGRESS_BATCHES == 0:
                on_batches(_PROGRESS_BATCHES, total.item() / done)
        on_batches(number_of_batches % _PROGRESS_BATCHES, total.item() / done)
        positive = (torch.cat(logits).sigmoid() >= self.recipe.threshold).cpu().numpy()
        return total.item() / done, _count_cells(self.train.labels[order], positive)

    def _set_one_cycle_rate(self, epochs: float) -> None:
        """Set the learning rate of the one-cycle schedule after a number of epochs."""
        if self.recipe.one_cycle is not None:
            factor = one_cycle(self.recipe.one_cycle, epochs / self.recipe.epochs)
            self.optimizer.learning_rate = factor * self.recipe.learning_rate

    def _augment(
        self, inputs: Tensor, targets: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        settings = self.recipe.augmentation
        if settings.active:
            inputs = augment(inputs, settings, generator)
        if settings.mixup:
            return mixup(inputs, targets, settings.mixup, generator)
        return inputs, targets

    def _targets(self, order: NDArray[np.intp]) -> Tensor:
        """Return labels, shape (n, 1), or labels and viral targets, shape (n, 2)."""
        columns = [torch.from_numpy(self.train.labels.astype(np.float32))]
        if self._subtypes is not None:
            columns.append(viral_targets(self.train.entries))
        return torch.stack(columns, 1)[torch.from_numpy(order)].to(self.device)

    def _step_function(self, *, frozen: bool) -> CudaGraphStep:
        """Return the training step; it is recorded anew when pretrained layers are unfrozen."""
        self.network.freeze(frozen)
        if self._graph_step is None or self._graph_step[0] is not frozen:
            self._graph_step = frozen, CudaGraphStep(self._step)
        return self._graph_step[1]

    def _step(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Train on one batch, with targets of `_targets`, and return loss and logits."""
        with computing_in(self.recipe.precision, self.device):
            if self._subtypes is None:
                logits = forward(self.network, inputs)
            else:
                logits, viral = self._subtypes(inputs)
        logits, labels = logits.float(), targets[:, 0]
        weights = None
        if self.recipe.class_balance is ClassBalance.WEIGHTED_LOSS:
            weights = torch.lerp(self._class_weights[0], self._class_weights[1], labels)
        smoothing = self.recipe.label_smoothing
        smoothed = labels * (1 - smoothing) + smoothing / 2
        loss = functional.binary_cross_entropy_with_logits(logits, smoothed, weights)
        if self._subtypes is not None:
            auxiliary = self._subtypes.loss(viral.float(), targets[:, 1], labels)
            loss = loss + self.recipe.subtype_weight * auxiliary
        if self.network.penalised:
            loss = loss + self.recipe.l2 * self.network.penalty()
        self.optimizer.minimise(loss)
        return loss.detach(), logits.detach()

    def _order(self, rng: np.random.Generator) -> NDArray[np.intp]:
        """Return the indices of an epoch's examples, shuffled or drawn by sampling weights."""
        n = len(self.train)
        if self._sampling_weights is None:
            return rng.permutation(n)
        probabilities = self._sampling_weights / self._sampling_weights.sum()
        return rng.choice(n, size=n, p=probabilities)

    def _validation_loss(self, logits: Tensor) -> float:
        """Return the mean cross-entropy plus the penalty, as Keras reports it."""
        labels = torch.from_numpy(self.validation.labels.astype(np.float64))
        loss = functional.binary_cross_entropy_with_logits(logits, labels).item()
        if self.network.penalised:
            loss += self.recipe.l2 * self._evaluated.penalty().item()
        return loss


def _count_cells(labels: NDArray[np.int8], positive: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Return (false positives, true positives, false negatives)."""
    counts = np.bincount(labels * 2 + positive, minlength=4).tolist()
    _, false_positives, false_negatives, true_positives = counts
    return false_positives, true_positives, false_negatives


def sampling_weights(labels: NDArray[np.int8], balance: ClassBalance) -> NDArray[np.float64] | None:
    """Return the relative frequency with which each image is drawn, by its class; None if equal.

    Examples
    --------
    >>> sampling_weights(np.array([0, 1, 1, 1], np.int8), ClassBalance.SAMPLER).round(2).tolist()
    [2.0, 0.67, 0.67, 0.67]
    """
    return class_weights(labels)[labels] if balance is ClassBalance.SAMPLER else None


def class_weights(labels: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return weights inversely proportional to class frequencies, with mean 1 over the images.

    Examples
    --------
    >>> class_weights(np.array([0, 1, 1, 1], np.int8)).round(2).tolist()
    [2.0, 0.67]
    """
    counts = np.bincount(labels, minlength=2)
    weights: NDArray[np.float64] = len(labels) / (2 * np.maximum(counts, 1))
    return weights
