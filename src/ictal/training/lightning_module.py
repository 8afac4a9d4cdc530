"""The network in training: losses, learning rates, freezing, and the guard against forgetting."""

import math
import warnings
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, cast

import lightning as L  # noqa: N812 - the name that its users know
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from ictal.core.labels import PANELS, VOTE_COLUMNS, panels
from ictal.data import WindowArray
from ictal.data.simulated_stream import Stream
from ictal.models.arm_network import ArmNetwork
from ictal.models.checkpoint import predict
from ictal.recipes.stages import Stage, TrainingSettings
from ictal.training.augmentation import augment
from ictal.training.batches import Batches, draw_epoch
from ictal.training.losses import kl_loss, mean_kl, panel_loss
from ictal.training.stream_loader import Batch, StreamLoader, as_it_is
from ictal.training.task import Task

FORGETTING = 1.1
"""A stage that raises the KL of a population by more than this factor is told of."""
HEADS = ("meeting", "head")
"""Modules of a network that are trained in a stage of the head alone."""
MOST_SETTLING = 256
"""Windows whose statistics batch normalisation keeps after training."""


class ForgettingWarning(UserWarning):
    """A later stage spoilt what an earlier one had learnt of the other population."""


class Learner(L.LightningModule):
    """A network with its loss, its optimizer and the order of its windows."""

    def __init__(
        self,
        network: ArmNetwork,
        array: WindowArray,
        task: Task,
        settings: TrainingSettings,
        folder: Path,
        stream: Stream | None = None,
        workers: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self.average = _average_of(network, settings.ema) if settings.ema else None
        self.array, self.task, self.settings, self.folder = array, task, settings, folder
        self.stream, self.workers = stream, workers
        self.history: list[dict[str, float]] = []
        self.losses: list[Tensor] = []

    @property
    def stage(self) -> Stage:
        """The stage of the epoch that runs."""
        # Lightning also asks before the first epoch and after the last.
        number, _ = self.settings.epochs[min(self.current_epoch, len(self.settings.epochs) - 1)]
        return self.settings.stages[number]

    @property
    def judged(self) -> ArmNetwork:
        """The network that is judged and saved: the average, or the one that is trained."""
        return self.network if self.average is None else cast(ArmNetwork, self.average.module)

    def train_dataloader(self) -> Iterable[Batch]:
        """Return this epoch's windows, which depend on the epoch alone: one per EEG in random order, or new ones."""
        if self.stream:
            numbers = range(self.global_rank, self.stream.settings.windows, self.trainer.world_size)
            return self._streamed(self.current_epoch, numbers)
        return self._loader("order", self.current_epoch)

    def _settling(self) -> Iterable[Batch]:
        """Return the windows on which batch normalisation settles: some that are trained on, or new ones."""
        if self.stream:  # of an epoch that is never trained on
            return self._streamed(len(self.settings.epochs), range(MOST_SETTLING))
        return self._loader("batch norm", most=MOST_SETTLING)

    def _streamed(self, epoch: int, numbers: range) -> StreamLoader:
        assert self.stream is not None
        return StreamLoader(self.stream, epoch, numbers, self.settings.per_pass, self.workers)

    def _loader(self, *purpose: object, most: int | None = None) -> DataLoader[Any]:
        rows = draw_epoch(self.array, self.task.train, self.stage, np.random.default_rng(self.task.derive(*purpose)))
        batches = Batches(self.array, rows[:most], self.stage.panel_weight, with_context=self.network.sees_context)
        micro = self.settings.per_pass
        # A last batch of one window would break batch normalisation, and a torn one the gradient's scale.
        return DataLoader(batches, micro, collate_fn=as_it_is, drop_last=len(batches) >= micro)

    def on_train_epoch_start(self) -> None:
        """Begin to collect the epoch's losses, and freeze what the stage does not train."""
        self.losses = []
        freeze_layers(self.network, below_head=self.stage.trains == "head")

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate, which depends on epoch and batch alone, so that a resumed training has the same."""
        stages = [number for number, _ in self.settings.epochs]
        before = stages.index(stages[self.current_epoch])
        rate = self.stage.rate(self.current_epoch - before + batch_idx / float(self.trainer.num_training_batches))
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Do a step, and take its weights into the average."""
        super().optimizer_step(*args, **kwargs)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the mean weighted loss of a batch."""
        windows, contexts, votes, weight = batch
        # Neither dropout nor augmentation has a state of its own. Seeded by the step, they are the same after a
        # resumption, and whatever else draws numbers between two steps.
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
        """Adam or AdamW; `on_train_batch_start` sets the learning rate."""
        make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.settings.optimizer]
        rate = self.settings.rate(0)
        return make(self.network.parameters(), lr=rate, weight_decay=self.settings.weight_decay)

    def settle_batch_norm(self) -> None:
        """Give batch normalisation the statistics of the training windows under the final weights.

        Its running averages hold the last few batches only, under weights that still moved: with little data a
        network then meets windows as if from elsewhere, and is sure of nonsense on some.
        """
        network = self.judged
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
        torch.manual_seed(self.task.derive("batch norm"))  # of dropout
        with torch.no_grad():
            for windows, contexts, *_ in self._settling():
                there = None if contexts is None else contexts.to(self.device)
                network(windows.to(self.device), there)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum

    def note_epoch(self) -> None:
        """Add the loss and the validation KL of the epoch that ends to the history."""
        epoch = self.current_epoch
        number, rate = self.settings.epochs[epoch]
        if self._ends_stage():
            self.settle_batch_norm()
        row = {
            "epoch": float(epoch + 1),
            "stage": float(number + 1),
            "learning_rate": rate,
            "train_loss": float(torch.stack(self.losses).mean()),
            **self._valid_kl(),
        }
        self.history = [*self.history, row]
        self._guard()

    def _ends_stage(self) -> bool:
        to_come = self.settings.epochs[self.current_epoch :]
        return len(to_come) == 1 or to_come[0][0] != to_come[1][0]

    def _valid_kl(self) -> dict[str, float]:
        """Return the KL of the windows left out, each EEG weighing the same, and that of either population."""
        rows = self.task.valid
        if not len(rows):
            return {"valid_kl": math.nan} | {f"valid_kl_{panel}": math.nan for panel in PANELS}
        array, batch_size = self.array, self.settings.micro_batch or 32
        probabilities = predict(self.judged, array.signals, rows, batch_size, array.contexts).probabilities
        labels = array.labels.iloc[rows]
        of_panel = panels(labels[list(VOTE_COLUMNS)].to_numpy())
        found = {"valid_kl": mean_kl(labels, probabilities)}
        for panel in PANELS:
            there = of_panel == panel
            found[f"valid_kl_{panel}"] = mean_kl(labels, probabilities, there) if there.any() else math.nan
        return found

    def _guard(self) -> None:
        """Warn where a stage that ends has raised the KL of either population."""
        numbers = [number for number, _ in self.settings.epochs]
        number = numbers[self.current_epoch]
        if number == 0 or not self._ends_stage() or self.stage.population == "all":
            return
        before = self.history[numbers.index(number) - 1]
        for panel in PANELS:
            was, now = before[f"valid_kl_{panel}"], self.history[-1][f"valid_kl_{panel}"]
            if now > FORGETTING * was:
                warnings.warn(
                    f"{self.task.name}: stage {number + 1}, on windows of {self.stage.population} votes, took the KL "
                    f"of those of {panel} from {was:.3f} to {now:.3f}; a share of them can be mixed in (mix)",
                    ForgettingWarning,
                    stacklevel=2,
                )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history with the state."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history that belongs to the state."""
        self.history = checkpoint["history"]


def _average_of(network: ArmNetwork, most: float) -> AveragedModel:
    """Return a copy of a network that becomes the average of its weights."""
    return AveragedModel(network, avg_fn=partial(_averaged, most)).requires_grad_(False)


def _averaged(most: float, average: Tensor, now: Tensor, n_averaged: Tensor | int) -> Tensor:
    """Return the next average of a weight; at first it fades faster, since the first steps go far."""
    n_steps = int(n_averaged)
    return average.lerp(now, 1 - min(most, (1 + n_steps) / (10 + n_steps)))


def freeze_layers(network: ArmNetwork, *, below_head: bool) -> None:
    """Hold everything below the head as it is, its batch statistics as well, or let all go."""
    for name, module in network.network.named_children():
        module.train(not below_head or name in HEADS)
    for name, parameter in network.network.named_parameters():
        parameter.requires_grad_(not below_head or name.partition(".")[0] in HEADS)
