"""The training loop: one epoch after another over batches, the notebook's way."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pneumoscope.evaluation.statistics.intervals import proportion
from pneumoscope.evaluation.statistics.metrics import measure
from pneumoscope.models import Network, Precision, computing_in, place, select_device
from pneumoscope.support.errors import RunError
from pneumoscope.training.augmentation import augment, mixup
from pneumoscope.training.cuda_graph import RecordedStep
from pneumoscope.training.examples import Examples, batches
from pneumoscope.training.history import Epoch
from pneumoscope.training.recipe import ClassBalance, Recipe
from pneumoscope.training.schedule import LearningRateSchedule, one_cycle
from pneumoscope.training.subtype_task import SubtypeTask, viral_shares
from pneumoscope.training.weight_average import WeightAverage

PREDICT_BATCH = 128
_SHOW_EVERY = 16
"""Batches between two looks at the loss: each waits for the device to catch up."""


class Trainer:
    """A network in training, with everything that its next epoch depends on.

    All randomness of an epoch comes from the recipe's seed and the epoch's number, and the schedule
    follows from the history, so an epoch is the same whether or not the process was interrupted
    before it.

    Parameters
    ----------
    network
        With its initial weights.
    recipe
        The settings.
    train, validation
        What is learned from, and what the loss is monitored on.
    weights
        How often each of ``train`` is drawn, in relation to the others, shape (n,); None for each
        once an epoch.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        train: Examples,
        validation: Examples,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.recipe = recipe
        self._weights = weights
        self.train = train
        self.validation = validation
        self.device = select_device()
        self.network = place(network, self.device)
        self._subtypes: SubtypeTask | None = None
        if recipe.subtype_weight:
            self._subtypes = SubtypeTask(network).to(self.device)
        groups = _groups(network, recipe, self._subtypes)
        self._shares = [share for share, _ in groups]
        on_gpu = self.device.type == "cuda"
        for _, group in groups:
            # What a recorded step reads must be a tensor, one for each group.
            rate = recipe.learning_rate
            group["lr"] = torch.tensor(rate, device=self.device) if on_gpu else rate
        self.optimizer = torch.optim.AdamW(
            [group for _, group in groups], eps=recipe.adam_epsilon, fused=True, capturable=on_gpu
        )
        self._average: WeightAverage | None = None
        if recipe.weight_average:
            self._average = WeightAverage(network.head, recipe.weight_average)
        self._recorded: tuple[bool, RecordedStep] | None = None
        self.history: list[Epoch] = []
        self.schedule = LearningRateSchedule(
            recipe.learning_rate, recipe.early_stopping, recipe.reduce_on_plateau
        )
        weights = class_weights(train.labels).astype(np.float32)
        self._class_weights = torch.from_numpy(weights).to(self.device)

    @property
    def result(self) -> Network:
        """The network that is judged and kept: with averaged weights, if the recipe says so."""
        if self._average is None:
            return self.network
        head = self._average.network
        assert isinstance(head, nn.Sequential)
        network = self.network
        return Network(head, network.backbone, network.penalised, network.pretrained)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done or training was stopped early."""
        return self.schedule.stopped or len(self.history) >= self.recipe.epochs

    def run_epoch(self, on_batches: Callable[[int, float], None]) -> Epoch:
        """Train one epoch, look at validation and let the schedule decide what comes next.

        Parameters
        ----------
        on_batches
            Called now and then with the number of batches done since the last call and the mean
            loss of the epoch so far.

        Raises
        ------
        RunError
            If the loss is not a finite number any more.
        """
        started = time.perf_counter()
        number = len(self.history) + 1
        self._set_learning_rate(self.schedule.learning_rate)
        loss, confusion = self._learn(number, on_batches)
        logits = _logits(self.result, self.validation, self.recipe.precision)
        val_loss = self._loss_of(self.validation, logits)
        if not np.isfinite(loss + val_loss):
            raise RunError(
                f"epoch {number}: the loss is {loss}, on validation {val_loss}: training has "
                "diverged; lower learning_rate and train again into another --out"
            )
        metrics = measure(
            self.validation.predictions(logits.sigmoid().numpy()), self.recipe.threshold
        )
        epoch = Epoch(
            epoch=number,
            loss=loss,
            precision=proportion(confusion[1], confusion[1] + confusion[0]).value,
            recall=proportion(confusion[1], confusion[1] + confusion[2]).value,
            val_loss=val_loss,
            val_precision=metrics.value("ppv"),
            val_recall=metrics.value("sensitivity"),
            val_auc=metrics.value("auc"),
            learning_rate=float(self.optimizer.param_groups[0]["lr"]),
            seconds=round(time.perf_counter() - started, 3),
        )
        self._append(epoch)
        return epoch

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs; the frozen backbone is not part of it."""
        state = {
            "head": self.network.head.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [asdict(epoch) for epoch in self.history],
        }
        if self._average is not None:
            state["average"] = self._average.state_dict()
        if self._subtypes is not None:
            state["subtypes"] = self._subtypes.state_dict()
        return state

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self.network.head.load_state_dict(state["head"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        if self._subtypes is not None:
            self._subtypes.load_state_dict(state["subtypes"])
        for row in state["history"]:
            self._append(Epoch(**row))

    def _append(self, epoch: Epoch) -> None:
        self.history.append(epoch)
        self.schedule.update(epoch.val_loss)

    def _learn(
        self, number: int, on_batches: Callable[[int, float], None]
    ) -> tuple[float, tuple[int, int, int]]:
        """Return the mean loss and (false positives, true positives, false negatives)."""
        for_order, for_dropout, for_augmentation = np.random.SeedSequence(
            [self.recipe.seed, number]
        ).generate_state(3)
        torch.manual_seed(int(for_dropout))
        generator = torch.Generator().manual_seed(int(for_augmentation))
        order = self._order(np.random.default_rng(for_order))
        self.network.train()
        step = self._recorded_step(frozen=number <= self.recipe.head_epochs)
        labels = self._targets(order)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        said: list[Tensor] = []
        done = seen = 0
        for done, indices in enumerate(batches(order, self.recipe.batch_size), start=1):
            if self.recipe.one_cycle is not None:
                share = (number - 1 + seen / len(order)) / self.recipe.epochs
                factor = one_cycle(self.recipe.one_cycle, share)
                self._set_learning_rate(factor * self.recipe.learning_rate)
            inputs = self.train.batch(indices, self.device)
            targets = labels[seen : seen + len(indices)]
            if self.recipe.augmentation.active:
                inputs = augment(inputs, self.recipe.augmentation, generator)
            if self.recipe.augmentation.mixup:
                inputs, targets = mixup(inputs, targets, self.recipe.augmentation.mixup, generator)
            loss, logits = step(inputs, targets)
            if self._average is not None:
                self._average.update(self.network.head)
            said.append(logits)
            total += loss * len(indices)
            seen += len(indices)
            if done % _SHOW_EVERY == 0:
                on_batches(_SHOW_EVERY, total.item() / seen)
        on_batches(done % _SHOW_EVERY, total.item() / seen)
        called = (torch.cat(said).sigmoid() >= self.recipe.threshold).cpu().numpy()
        return total.item() / seen, _mistakes(self.train.labels[order], called)

    def _targets(self, order: NDArray[np.intp]) -> Tensor:
        """Return labels, shape (n, 1), or with the share of each that is viral, (n, 2)."""
        columns = [torch.from_numpy(self.train.labels.astype(np.float32))]
        if self._subtypes is not None:
            columns.append(viral_shares(self.train.entries))
        return torch.stack(columns, 1)[torch.from_numpy(order)].to(self.device)

    def _recorded_step(self, *, frozen: bool) -> RecordedStep:
        """Return the step, recorded anew when other layers begin to learn."""
        self.network.freeze(frozen)
        if self._recorded is None or self._recorded[0] is not frozen:
            self._recorded = frozen, RecordedStep(self._step)
        return self._recorded[1]

    def _step(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Learn from one batch, with targets as `_targets` gives them; return loss and logits."""
        with computing_in(self.recipe.precision, self.device):
            if self._subtypes is None:
                logits = _forward(self.network, inputs)
            else:
                logits, viral = self._subtypes(inputs)
        logits, labels = logits.float(), targets[:, 0]
        weights = None
        if self.recipe.class_balance is ClassBalance.WEIGHTED_LOSS:
            weights = torch.lerp(self._class_weights[0], self._class_weights[1], labels)
        even = self.recipe.label_smoothing
        smoothed = labels * (1 - even) + even / 2
        loss = functional.binary_cross_entropy_with_logits(logits, smoothed, weights)
        if self._subtypes is not None:
            second = self._subtypes.loss(viral.float(), targets[:, 1], labels)
            loss = loss + self.recipe.subtype_weight * second
        if self.network.penalised:
            loss = loss + self.recipe.l2 * self.network.penalty()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.detach(), logits.detach()

    def _set_learning_rate(self, learning_rate: float) -> None:
        for group, share in zip(self.optimizer.param_groups, self._shares, strict=True):
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(learning_rate * share)
            else:
                group["lr"] = learning_rate * share

    def _order(self, rng: np.random.Generator) -> NDArray[np.intp]:
        n = len(self.train)
        if self._weights is None:
            return rng.permutation(n)
        return rng.choice(n, size=n, p=self._weights / self._weights.sum())

    def _loss_of(self, examples: Examples, logits: Tensor) -> float:
        """Return the mean cross-entropy plus the penalty, as Keras reports it."""
        labels = torch.from_numpy(examples.labels.astype(np.float64))
        loss = functional.binary_cross_entropy_with_logits(logits, labels).item()
        if self.network.penalised:
            loss += self.recipe.l2 * self.result.penalty().item()
        return loss


def predict(network: Network, examples: Examples, precision: Precision) -> NDArray[np.float64]:
    """Return the probability of pneumonia for each example.

    Parameters
    ----------
    network
        On its device.
    examples
        Pixels, or features of the network's backbone.
    precision
        That the network was trained in.

    Returns
    -------
    NDArray[np.float64]
        Shape (n,), range [0, 1].
    """
    return _logits(network, examples, precision).sigmoid().numpy()


@torch.inference_mode()
def _logits(network: Network, examples: Examples, precision: Precision) -> Tensor:
    network.eval()
    device = next(network.parameters()).device
    with computing_in(precision, device):  # around all batches: weights are rounded once
        parts = [
            _forward(network, examples.batch(indices, device)).double()
            for indices in batches(np.arange(len(examples)), PREDICT_BATCH)
        ]
    return torch.cat(parts).cpu()


def _forward(network: Network, inputs: Tensor) -> Tensor:
    """Pass grey images through the whole network, features through its head."""
    grey = inputs.shape[1] == 1
    logits: Tensor = network(inputs) if grey else network.classify(inputs)
    return logits


def _groups(
    network: Network, recipe: Recipe, subtypes: SubtypeTask | None
) -> list[tuple[float, dict[str, object]]]:
    """Group parameters, each with its share of the learning rate: kernels decay, others do not."""
    layers = [*network.fresh, *([] if subtypes is None else [subtypes])]
    fresh = [one for layer in layers for one in layer.parameters()]
    known = {id(one) for one in fresh}
    pretrained = [one for one in network.head.parameters() if id(one) not in known]
    return [
        (
            share,
            {
                "params": [one for one in parameters if (one.ndim > 1) is kernels],
                "weight_decay": recipe.weight_decay if kernels else 0.0,
            },
        )
        for parameters, share in ((fresh, 1.0), (pretrained, recipe.pretrained_rate))
        for kernels in (True, False)
        if parameters
    ]


def class_weights(labels: NDArray[np.int8]) -> NDArray[np.float64]:
    """Weigh each class inversely to its number of images, with mean 1 over the images.

    Examples
    --------
    >>> class_weights(np.array([0, 1, 1, 1], np.int8)).round(2).tolist()
    [2.0, 0.67]
    """
    counts = np.bincount(labels, minlength=2)
    weights: NDArray[np.float64] = len(labels) / (2 * np.maximum(counts, 1))
    return weights


def _mistakes(labels: NDArray[np.int8], called: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Return (false positives, true positives, false negatives)."""
    counts = np.bincount(labels * 2 + called, minlength=4).tolist()
    _, false_positives, false_negatives, true_positives = counts
    return false_positives, true_positives, false_negatives
