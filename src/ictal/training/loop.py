"""The training loop, on Lightning: one network, some rows of the array, one set of settings."""

import ctypes
import logging
import math
import platform
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - the name that its users know
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn
from torch.utils.data import DataLoader, Dataset

from ictal.data import WindowArray
from ictal.files import hash_of, whole_file
from ictal.labels import VOTE_COLUMNS, distribution, panel_size
from ictal.models.weights import predict
from ictal.progress import Progress, silent
from ictal.training.recipe import TrainerSettings, TrainingSettings

CHECKPOINT = "last.ckpt"
HISTORY = "history.csv"
AUTO_BF16_ON_CPU = ("temporal",)
"""Arms that mixed bfloat16 makes faster on a CPU that has it (2D networks become slower)."""

MOST_SETTLING = 1024
"""Windows whose statistics batch normalisation keeps after training."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Options of glibc's mallopt (malloc.h)."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """What is trained: a name for seeds and progress, and rows of the array.

    Attributes
    ----------
    name
        Enters the random seeds, so that units differ.
    arm
        Chooses the automatic precision.
    train, valid
        Rows to train on, and rows on which the KL is told after each epoch (nothing depends on it).
    seed
        Of the unit.
    """

    name: str
    arm: str
    train: Rows
    valid: Rows
    seed: int

    def derive(self, *purpose: object) -> int:
        """Return a seed that depends on the task and the purpose alone."""
        return int(hash_of([self.name, self.seed, *purpose]), 16) % 2**63


def kl_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted sum of KL(target || softmax(logits)) over a batch.

    Parameters
    ----------
    logits, target
        [batch, 6]; target sums to one.
    weight
        [batch].
    """
    entropy = torch.special.entr(target).sum(dim=1)
    cross = -(target * logits.float().log_softmax(dim=1)).sum(dim=1)
    total: Tensor = ((cross - entropy) * weight).sum()
    return total


class Batches(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Rows of the array in a given order, fetched a batch at a time."""

    def __init__(self, array: WindowArray, rows: Rows, panel_weight: float) -> None:
        self.signals = array.signals
        self.rows = rows
        votes = array.labels[list(VOTE_COLUMNS)].to_numpy()
        self.target = torch.from_numpy(distribution(votes)).float()
        weight = panel_size(votes).astype(float) ** panel_weight
        # The mean over all training rows, and not the batch's, so that micro-batches add up to the batch.
        self.weight = torch.from_numpy(weight / weight[rows].mean()).float()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Return windows [batch, 20, 10000], targets [batch, 6] and weights [batch]."""
        rows = self.rows[indices]
        return torch.from_numpy(self.signals[rows]), self.target[rows], self.weight[rows]

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        windows, target, weight = self.__getitems__([index])
        return windows[0], target[0], weight[0]


def draw_rows(array: WindowArray, rows: Rows, generator: np.random.Generator) -> Rows:
    """Return one of the rows of each EEG, drawn at random, in random order."""
    shuffled = generator.permutation(rows)
    eegs = array.labels["eeg_id"].to_numpy()[shuffled]
    _, first = np.unique(eegs, return_index=True)
    return shuffled[np.sort(first)]


class Learner(L.LightningModule):
    """A network with its loss, its optimizer and the order of its windows."""

    def __init__(
        self, network: nn.Module, array: WindowArray, task: Task, settings: TrainingSettings, folder: Path
    ) -> None:
        super().__init__()
        self.network = network
        self.array, self.task, self.settings, self.folder = array, task, settings, folder
        self.history: list[dict[str, float]] = []
        self.losses: list[Tensor] = []

    def train_dataloader(self) -> DataLoader[Any]:
        """Return this epoch's windows: one per EEG, in an order that depends on the epoch alone."""
        generator = np.random.default_rng(self.task.derive("order", self.current_epoch))
        rows = draw_rows(self.array, self.task.train, generator)
        batches = Batches(self.array, rows, self.settings.panel_weight)
        micro = self.settings.micro_batch or self.settings.batch_size
        # A last batch of one window would break batch normalisation, and a torn one the gradient's scale.
        return DataLoader(batches, micro, collate_fn=_as_it_is, drop_last=len(rows) >= micro)

    def on_train_epoch_start(self) -> None:
        """Begin to collect the epoch's losses."""
        self.losses = []

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        """Return the mean weighted KL of a batch."""
        windows, target, weight = batch
        # Dropout has no generator of its own. Seeded by the step, it is the same after a resumption, and whatever
        # else draws numbers between two steps.
        torch.manual_seed(self.task.derive("dropout", self.current_epoch, index, self.global_rank))
        loss = kl_loss(self.network(windows), target, weight) / len(windows)
        self.losses.append(loss.detach())
        return loss

    def configure_optimizers(self) -> Any:
        """Adam with one learning rate per epoch."""
        rates = self.settings.learning_rates
        make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.settings.optimizer]
        optimizer = make(self.network.parameters(), lr=rates[0], weight_decay=self.settings.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: rates[min(epoch, len(rates) - 1)] / rates[0]
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "epoch"}}

    def settle_batch_norm(self) -> None:
        """Give batch normalisation the statistics of the training windows under the final weights.

        Its running averages hold the last few batches only, under weights that still moved: with little data a
        network then meets windows as if from elsewhere, and is sure of nonsense on some.
        """
        rows = draw_rows(self.array, self.task.train, np.random.default_rng(self.task.derive("batch norm")))
        batches = Batches(self.array, rows[:MOST_SETTLING], self.settings.panel_weight)
        micro = self.settings.micro_batch or self.settings.batch_size
        torch.manual_seed(self.task.derive("batch norm"))  # of dropout
        update_bn(
            DataLoader(batches, micro, collate_fn=_as_it_is, drop_last=len(batches) >= micro),
            self.network,
            self.device,
        )

    def note_epoch(self) -> None:
        """Add the loss and the validation KL of the epoch that ends to the history."""
        if self.current_epoch + 1 == len(self.settings.learning_rates):
            self.settle_batch_norm()
        row = {
            "epoch": float(self.current_epoch + 1),
            "learning_rate": self.settings.learning_rates[self.current_epoch],
            "train_loss": float(torch.stack(self.losses).mean()),
            "valid_kl": self._valid_kl(),
        }
        self.history = [*self.history, row]

    def _valid_kl(self) -> float:
        rows = self.task.valid
        if not len(rows):
            return math.nan
        probabilities = predict(self.network, self.array.signals, rows, self.settings.micro_batch or 32)
        labels = self.array.labels.iloc[rows]
        target = torch.from_numpy(distribution(labels[list(VOTE_COLUMNS)].to_numpy()))
        weight = 1 / labels.groupby("eeg_id")["eeg_id"].transform("size").to_numpy(dtype=float)
        logits = torch.from_numpy(probabilities).clamp(min=1e-15).log()
        return float(kl_loss(logits, target, torch.from_numpy(weight)) / weight.sum())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history with the state."""
        checkpoint["history"] = self.history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the history that belongs to the state."""
        self.history = checkpoint["history"]


class SaveEachEpoch(L.Callback):
    """Write the state of training after each epoch, whole or not at all."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save history and checkpoint; all processes take part, one writes."""
        assert isinstance(pl_module, Learner)
        pl_module.note_epoch()
        part = pl_module.folder / f".{CHECKPOINT}.part"
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            part.replace(pl_module.folder / CHECKPOINT)
            with whole_file(pl_module.folder / HISTORY) as path:
                pd.DataFrame(pl_module.history).to_csv(path, index=False)


class TellProgress(L.Callback):
    """Hand each batch to the progress hook."""

    def __init__(self, progress: Progress, name: str) -> None:
        self.progress, self.name = progress, name

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell how much of all epochs is done."""
        per_epoch = int(trainer.num_training_batches)
        if trainer.is_global_zero and trainer.max_epochs:
            done = trainer.current_epoch * per_epoch + batch_idx + 1
            self.progress(self.name, done, trainer.max_epochs * per_epoch)


def fit(
    network: nn.Module,
    array: WindowArray,
    task: Task,
    settings: TrainingSettings,
    trainer_settings: TrainerSettings,
    folder: Path,
    progress: Progress = silent,
) -> nn.Module:
    """Train a network; go on from the folder's checkpoint where there is one.

    Parameters
    ----------
    network
        Windows [batch, 20, 10000] to logits [batch, 6]; its weights are changed.
    array, task
        The windows, and which of them.
    settings, trainer_settings
        How, and on what.
    folder
        Gets `last.ckpt` and `history.csv` after each epoch.
    progress
        Told after each batch.

    Returns
    -------
    nn.Module
        The network after the last epoch: none is chosen by its validation KL.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C; the epochs that were finished are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _keep_freed_memory()
    micro = settings.micro_batch or settings.batch_size
    n_eegs = array.labels["eeg_id"].iloc[task.train].nunique()
    checkpoint = folder / CHECKPOINT
    learner = Learner(network, array, task, settings, folder)
    with _quiet_lightning(), torch.random.fork_rng():
        trainer = L.Trainer(
            accelerator=trainer_settings.accelerator,
            devices=trainer_settings.devices,
            strategy=trainer_settings.strategy,
            precision=_precision(settings, task.arm),
            max_epochs=len(settings.learning_rates),
            accumulate_grad_batches=max(1, min(settings.batch_size, n_eegs) // micro),
            gradient_clip_val=settings.clip_norm,
            reload_dataloaders_every_n_epochs=1,
            callbacks=[TellProgress(progress, task.name), SaveEachEpoch()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
        )
        resume = checkpoint if checkpoint.exists() else None
        with _keyboard_interrupt(trainer):
            trainer.fit(learner, ckpt_path=resume, weights_only=resume is not None)
    return network.eval()


def _precision(settings: TrainingSettings, arm: str) -> Any:
    if settings.precision != "auto":
        return {"32": "32-true", "bf16": "bf16-mixed"}[settings.precision]
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return "bf16-mixed" if fast and arm in AUTO_BF16_ON_CPU else "32-true"


def _keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors for the next step.

    By default it gives large blocks back to the system at once and asks for them again, page by page, in each step:
    a sixth of the time of training on a CPU. Elsewhere than on glibc nothing is changed.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


@contextmanager
def _keyboard_interrupt(trainer: L.Trainer) -> Iterator[None]:
    """Raise KeyboardInterrupt where Lightning, having seen one, exits and leaves Ctrl-C switched off."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        raise KeyboardInterrupt from error
    finally:
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)
    if trainer.interrupted:
        raise KeyboardInterrupt


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's advice about hardware and workers, which is not the user's concern here, from the screen."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        logger.setLevel(level)


def _as_it_is(batch: Any) -> Any:
    return batch
