"""The Lightning module: losses, learning rates, frozen layers, and a warning about forgetting."""

import math
import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any, cast

import lightning as L  # noqa: N812 - the conventional alias
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ictal.core.labels import PANELS, VOTE_COLUMNS, panels
from ictal.data import WindowArray
from ictal.data.simulated_stream import Stream
from ictal.errors import RecipeError
from ictal.models.arm_network import ArmNetwork
from ictal.models.checkpoint import predict
from ictal.recipes.stages import Stage, TrainingSettings
from ictal.training.augmentation import augment
from ictal.training.batches import Batches, draw_again, draw_epoch
from ictal.training.losses import kl_loss, mean_kl, panel_loss
from ictal.training.mixed_loader import MixedLoader
from ictal.training.read_ahead import ReadAhead
from ictal.training.stream_loader import Batch, StreamLoader, identity
from ictal.training.task import Task

FORGETTING = 1.1
"""A stage that raises the KL of a population by more than this factor causes a warning."""
HEADS = ("meeting", "head")
"""Modules that are trained in a stage that trains only the head."""
MAX_BATCH_NORM_WINDOWS = 256
"""Largest number of windows from which batch normalisation takes its statistics after training."""


class ForgettingWarning(UserWarning):
    """A later stage raised the KL of a population that an earlier stage had learnt."""


class Learner(L.LightningModule):
    """A network with its loss, its optimizer and the order of its windows.

    Parameters
    ----------
    network
        What is trained.
    array, task
        The windows, and which of them to train and validate on.
    settings
        Stages, batches and optimizer.
    stream
        Supplies simulated training windows, instead of the array's or beside them (`real_share`).
    workers
        Processes that simulate them.
    """

    def __init__(
        self,
        network: ArmNetwork,
        array: WindowArray,
        task: Task,
        settings: TrainingSettings,
        stream: Stream | None = None,
        workers: int = 0,
    ) -> None:
        super().__init__()
        heads = [name for name, _ in network.network.named_children() if name in HEADS]
        if not heads and any(stage.trains == "head" for stage in settings.stages):
            raise RecipeError(
                f"training.{task.arm}: a stage trains only the head, but no part of the network is a 'head'"
            )
        self.network = network
        self.average = _moving_average(network, settings.ema) if settings.ema else None
        self.array, self.task, self.settings = array, task, settings
        self.stream, self.workers = stream, workers
        self.history: list[dict[str, float]] = []
        self.losses: list[Tensor] = []

    @property
    def stage(self) -> Stage:
        """The stage of the current epoch."""
        # Lightning also calls this before the first epoch and after the last.
        number, _ = self.settings.epochs[min(self.current_epoch, len(self.settings.epochs) - 1)]
        return self.settings.stages[number]

    @property
    def evaluated(self) -> ArmNetwork:
        """The network that is evaluated and saved: the moving average if there is one, else the trained network."""
        return self.network if self.average is None else cast(ArmNetwork, self.average.module)

    def train_dataloader(self) -> Iterable[Batch]:
        """Return this epoch's windows, which depend on the epoch only: one per EEG in random order, or a stream."""
        if self.stream:
            numbers = range(self.global_rank, self.stream.settings.windows, self.trainer.world_size)
            return self._streamed(self.current_epoch, numbers)
        return self._loader("order", self.current_epoch)

    def _batch_norm_windows(self) -> Iterable[Batch]:
        """Return windows for the statistics of batch normalisation: training windows, or newly streamed ones."""
        if self.stream:  # an epoch that is never trained on
            return self._streamed(len(self.settings.epochs), range(MAX_BATCH_NORM_WINDOWS))
        return self._loader("batch norm", n_most=MAX_BATCH_NORM_WINDOWS)

    def _streamed(self, epoch: int, numbers: range) -> StreamLoader | MixedLoader:
        assert self.stream is not None
        n_real = self.settings.n_real
        streamed = StreamLoader(self.stream, epoch, numbers, self.settings.per_pass - n_real, self.workers)
        if not n_real:
            return streamed
        generator = np.random.default_rng(self.task.derive("real", epoch, self.global_rank))
        rows = draw_again(self.array, self.task.train, n_real * len(streamed), generator)
        return MixedLoader(streamed, Batches(self.array, rows, self.stage.panel_weight, with_context=False), n_real)

    def _loader(self, *purpose: object, n_most: int | None = None) -> ReadAhead:
        rows = draw_epoch(self.array, self.task.train, self.stage, np.random.default_rng(self.task.derive(*purpose)))
        batches = Batches(self.array, rows[:n_most], self.stage.panel_weight, with_context=self.network.sees_context)
        micro = self.settings.per_pass
        # A last batch of one window would break batch normalisation, an incomplete one the scale of the gradient.
        return ReadAhead(batches, micro, collate_fn=identity, drop_last=len(batches) >= micro)

    def on_train_epoch_start(self) -> None:
        """Reset the epoch's losses, and freeze what the stage does not train."""
        self.losses = []
        freeze_layers(self.network, below_head=self.stage.trains == "head")

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate from epoch and batch alone, so that a resumed training has the same rates."""
        stages = [number for number, _ in self.settings.epochs]
        before = stages.index(stages[self.current_epoch])
        rate = self.stage.rate(self.current_epoch - before + batch_idx / float(self.trainer.num_training_batches))
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, and update the moving average."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the mean weighted loss of a batch."""
        windows, contexts, votes, weight = batch
        # Dropout and augmentation are seeded by the step, so that they are the same when training is resumed and do
        # not depend on other random numbers drawn between steps.
        step = (self.current_epoch, index, self.global_rank)
        rng = np.random.default_rng(self.task.derive("augment", *step))
        mixed = augment(windows, contexts, self.settings.augment, rng)
        torch.manual_seed(self.task.derive("dropout", *step))
        logits, concentration = self.network.panel(mixed.windows, mixed.contexts)
        loss = self._loss(logits, concentration, votes, weight)
        if mixed.partner is not None:
            other = self._loss(logits, concentration, votes[mixed.partner], weight[mixed.partner])
            loss = mixed.share * loss + (1 - mixed.share) * other
        self.losses.append(loss.detach())
        return loss

    def _loss(self, logits: Tensor, concentration: Tensor | None, votes: Tensor, weight: Tensor) -> Tensor:
        loss = self.stage.kl_weight * kl_loss(logits, votes / votes.sum(dim=1, keepdim=True))
        if concentration is not None:
            loss = loss + self.stage.likelihood_weight * panel_loss(logits, concentration, votes)
        return (loss * weight).mean()

    def configure_optimizers(self) -> Any:
        """Return Adam or AdamW; `on_train_batch_start` sets the learning rate."""
        make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.settings.optimizer]
        rate = self.settings.rate(0)
        return make(self.network.parameters(), lr=rate, weight_decay=self.settings.weight_decay)

    def update_batch_norm(self) -> None:
        """Compute the statistics of batch normalisation from training windows under the final weights.

        Its running averages cover only the last few batches, while the weights still changed. With little data these
        averages fit so badly that the network makes confident errors on some windows.
        """
        network = self.evaluated
        for module, trained in zip(network.modules(), self.network.modules(), strict=True):
            module.training = trained.training
        norms = [
            module
            for module in network.modules()
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training  # not what is frozen
        ]
        if not norms:
            return
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over all batches
        torch.manual_seed(self.task.derive("batch norm"))  # for dropout
        with torch.no_grad():
            for windows, contexts, *_ in self._batch_norm_windows():
                network(windows.to(self.device), None if contexts is None else contexts.to(self.device))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def record_epoch(self) -> None:
        """Add loss and validation KL of the epoch that ends to the history."""
        epoch = self.current_epoch
        number, rate = self.settings.epochs[epoch]
        if self._ends_stage():
            self.update_batch_norm()
        row = {
            "epoch": float(epoch + 1),
            "stage": float(number + 1),
            "learning_rate": rate,
            "train_loss": float(torch.stack(self.losses).mean()),
            **self._valid_kl(),
        }
        self.history = [*self.history, row]
        self._warn_if_forgotten()

    def _ends_stage(self) -> bool:
        remaining = self.settings.epochs[self.current_epoch :]
        return len(remaining) == 1 or remaining[0][0] != remaining[1][0]

    def _valid_kl(self) -> dict[str, float]:
        """Return the KL of the validation windows, with equal weight per EEG, overall and for each population."""
        rows = self.task.valid
        if not len(rows):
            return {"valid_kl": math.nan} | {f"valid_kl_{panel}": math.nan for panel in PANELS}
        array, batch_size = self.array, self.settings.micro_batch or 32
        probabilities = predict(self.evaluated, array.signals, rows, batch_size, array.contexts).probabilities
        labels = array.labels.iloc[rows]
        of_panel = panels(labels[list(VOTE_COLUMNS)].to_numpy())
        found = {"valid_kl": mean_kl(labels, probabilities)}
        for panel in PANELS:
            chosen = of_panel == panel
            found[f"valid_kl_{panel}"] = mean_kl(labels, probabilities, chosen) if chosen.any() else math.nan
        return found

    def _warn_if_forgotten(self) -> None:
        """Warn if a stage that ends has raised the KL of a population."""
        numbers = [number for number, _ in self.settings.epochs]
        number = numbers[self.current_epoch]
        if number == 0 or not self._ends_stage() or self.stage.population == "all":
            return
        before = self.history[numbers.index(number) - 1]
        for panel in PANELS:
            was, now = before[f"valid_kl_{panel}"], self.history[-1][f"valid_kl_{panel}"]
            if now > FORGETTING * was:
                warnings.warn(
                    f"{self.task.name}: stage {number + 1}, on windows with {self.stage.population} votes, raised "
                    f"the KL of windows with {panel} votes from {was:.3f} to {now:.3f}; 'mix' adds a share of them",
                    ForgettingWarning,
                    stacklevel=2,
                )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save the history with the state."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the history that belongs to the state."""
        self.history = checkpoint["history"]


def _moving_average(network: ArmNetwork, decay: float) -> AveragedModel:
    """Return a copy of a network that becomes the exponential moving average of its weights."""
    return AveragedModel(network, avg_fn=partial(_next_average, decay)).requires_grad_(False)


def _next_average(decay: float, average: Tensor, now: Tensor, n_averaged: Tensor | int) -> Tensor:
    """Return the updated average of a weight; the decay starts small, since the first steps are large."""
    n_steps = int(n_averaged)
    return average.lerp(now, 1 - min(decay, (1 + n_steps) / (10 + n_steps)))


def freeze_layers(network: ArmNetwork, *, below_head: bool) -> None:
    """Freeze everything below the head, including batch statistics, or unfreeze everything."""
    for name, module in network.network.named_children():
        module.train(not below_head or name in HEADS)
    for name, parameter in network.network.named_parameters():
        parameter.requires_grad_(not below_head or name.partition(".")[0] in HEADS)
