"""The training loop, on Lightning: one network, some rows of the array, one set of settings."""

import ctypes
import logging
import math
import platform
import signal
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import lightning as L  # noqa: N812 - the name that its users know
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset

from ictal.cluster import n_processors
from ictal.data import WindowArray
from ictal.data.stream import Stream
from ictal.errors import RecipeError
from ictal.files import PART, hash_of, whole_file, writing
from ictal.labels import PANELS, VOTE_COLUMNS, distribution, panel_size, panels
from ictal.models.arms import ArmNetwork
from ictal.models.weights import predict
from ictal.predictions import eeg_weights
from ictal.progress import Progress, silent
from ictal.standardise import StandardiseSettings
from ictal.training.augment import augment
from ictal.training.recipe import Stage, TrainerSettings, TrainingSettings
from ictal.training.stream import Batch, StreamLoader, as_it_is, few_threads

CHECKPOINT = "last.ckpt"
HISTORY = "history.csv"
FORGETTING = 1.1
"""A stage that raises the KL of a population by more than this factor is told of."""

HEADS = ("meeting", "head")
"""Modules of a network that are trained in a stage of the head alone."""

MOST_SETTLING = 256
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
        Which network.
    train, valid
        Rows to train on, unless there is a stream, and rows on which the KL is told after each epoch (nothing depends
        on it).
    seed
        Of the unit.
    stream
        Enters the random seeds in place of the name, where it is set: what has the same one begins with the same
        weights and sees the same order of windows.
    """

    name: str
    arm: str
    train: Rows
    valid: Rows
    seed: int
    stream: str = ""

    def derive(self, *purpose: object) -> int:
        """Return a seed that depends on the task and the purpose alone."""
        return int(hash_of([self.stream or self.name, self.seed, *purpose]), 16) % 2**63


def kl_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return KL(target || softmax(logits)) of each window, [batch].

    Parameters
    ----------
    logits, target
        [batch, 6]; target sums to one.
    """
    entropy = torch.special.entr(target).sum(dim=1)
    cross = -(target * logits.float().log_softmax(dim=1)).sum(dim=1)
    divergence: Tensor = cross - entropy
    return divergence


def mean_kl(
    labels: pd.DataFrame, probabilities: npt.NDArray[np.float64], counted: npt.NDArray[np.bool_] | None = None
) -> float:
    """Return the mean KL of windows, or of those that are counted, each EEG weighing the same.

    Parameters
    ----------
    labels
        A row per window, with its votes and its EEG.
    probabilities
        [window, 6].
    """
    votes = labels[list(VOTE_COLUMNS)].to_numpy()
    logits = torch.from_numpy(probabilities).clamp(min=1e-15).log()
    kl = kl_loss(logits, torch.from_numpy(distribution(votes))).numpy()
    weight = eeg_weights(labels["eeg_id"])
    there = np.ones(len(votes), dtype=bool) if counted is None else counted
    return float(np.average(kl[there], weights=weight[there]))


def panel_loss(logits: Tensor, concentration: Tensor, votes: Tensor) -> Tensor:
    """Return the negative logarithm of the Dirichlet-multinomial likelihood of each panel's votes, [batch].

    Mosimann (*Biometrika* 1962;49:65-82), without the multinomial coefficient, which no parameter enters.

    Parameters
    ----------
    logits, votes
        [batch, 6]; votes as counts.
    concentration
        [batch]: the smaller, the further a panel may stray from the distribution.
    """
    # Differences of large and nearly equal numbers, of which float32 keeps nothing.
    alpha = (concentration[:, None] * logits.softmax(dim=1)).double().clamp(min=1e-6)
    total = alpha.sum(dim=1)
    of_patterns = (torch.lgamma(alpha + votes) - torch.lgamma(alpha)).sum(dim=1)
    loss: Tensor = torch.lgamma(total + votes.sum(dim=1)) - torch.lgamma(total) - of_patterns
    return loss.float()


class Batches(Dataset[Batch]):
    """Rows of the array in a given order, fetched a batch at a time."""

    def __init__(self, array: WindowArray, rows: Rows, panel_weight: float, *, with_context: bool) -> None:
        self.signals = array.signals
        self.contexts = array.contexts if with_context else None
        self.rows = rows
        votes = array.labels[list(VOTE_COLUMNS)].to_numpy()
        self.votes = torch.from_numpy(votes.astype(np.float32))
        weight = panel_size(votes).astype(float) ** panel_weight
        # The mean over all training rows, and not the batch's, so that micro-batches add up to the batch.
        self.weight = torch.from_numpy(weight / weight[rows].mean()).float()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, indices: list[int]) -> Batch:
        """Return one batch."""
        rows = self.rows[indices]
        contexts = None if self.contexts is None else torch.from_numpy(self.contexts[rows])
        return torch.from_numpy(self.signals[rows]), contexts, self.votes[rows], self.weight[rows]

    def __getitem__(self, index: int) -> Batch:
        windows, contexts, votes, weight = self.__getitems__([index])
        return windows[0], None if contexts is None else contexts[0], votes[0], weight[0]


def draw_rows(array: WindowArray, rows: Rows, generator: np.random.Generator) -> Rows:
    """Return one of the rows of each EEG, drawn at random, in random order."""
    shuffled = generator.permutation(rows)
    eegs = array.labels["eeg_id"].to_numpy()[shuffled]
    _, first = np.unique(eegs, return_index=True)
    return shuffled[np.sort(first)]


def draw_epoch(array: WindowArray, rows: Rows, stage: Stage, generator: np.random.Generator) -> Rows:
    """Return an epoch's rows in random order: one of each EEG of the stage's population, and what is mixed in."""
    if stage.population == "all":
        return draw_rows(array, rows, generator)
    own = panels(array.labels[list(VOTE_COLUMNS)].to_numpy())[rows] == stage.population
    drawn = draw_rows(array, rows[own], generator)
    if not stage.mix:
        return drawn
    n_others = round(len(drawn) * stage.mix / (1 - stage.mix))
    others = draw_rows(array, rows[~own], generator)[:n_others]
    return generator.permutation(np.concatenate([drawn, others]))


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
        _freeze(self.network, below_head=self.stage.trains == "head")

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


class SaveEachEpoch(L.Callback):
    """Write the state of training after each epoch, whole or not at all."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save history and checkpoint; all processes take part, one writes."""
        assert isinstance(pl_module, Learner)
        pl_module.note_epoch()
        path = pl_module.folder / CHECKPOINT
        part = path.with_name(f".{CHECKPOINT}{PART}")  # of all processes the same, so that it is no `whole_file`
        with writing(path):
            try:
                trainer.save_checkpoint(part)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            if trainer.is_global_zero:
                part.replace(path)
        if trainer.is_global_zero:
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
    network: ArmNetwork,
    array: WindowArray,
    task: Task,
    settings: TrainingSettings,
    trainer_settings: TrainerSettings,
    folder: Path,
    progress: Progress = silent,
    standardise: StandardiseSettings | None = None,
) -> ArmNetwork:
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
    standardise
        How the windows of a stream become input; None: by the defaults.

    Returns
    -------
    ArmNetwork
        The network after the last epoch, or the average of its weights: none is chosen by its validation KL.

    Raises
    ------
    RecipeError
        If a stage's population has no windows here, or several processes cannot train a head alone.
    KeyboardInterrupt
        On Ctrl-C; the epochs that were finished are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    stream = None
    if settings.stream:
        stream = Stream(settings.stream, standardise or StandardiseSettings(), network.has_concentration)
    n_windows = stream.settings.windows if stream else min(_n_windows(array, task, one) for one in settings.stages)
    _check_strategy(settings, trainer_settings.strategy)
    checkpoint = folder / CHECKPOINT
    workers = n_processors() if trainer_settings.workers is None else trainer_settings.workers
    learner = Learner(network, array, task, settings, folder, stream, workers)
    with _quiet_lightning(), torch.random.fork_rng(), few_threads() if stream else nullcontext():
        trainer = L.Trainer(
            accelerator=trainer_settings.accelerator,
            devices=trainer_settings.devices,
            strategy=trainer_settings.strategy,
            precision=_precision(settings, network.network, trainer_settings.accelerator),
            max_epochs=len(settings.epochs),
            accumulate_grad_batches=max(1, min(settings.batch_size, n_windows) // settings.per_pass),
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
    if learner.average is not None:
        network.load_state_dict(learner.judged.state_dict())
    _freeze(network, below_head=False)
    return network.eval()


def _average_of(network: ArmNetwork, most: float) -> AveragedModel:
    """Return a copy of a network that becomes the average of its weights."""
    return AveragedModel(network, avg_fn=partial(_averaged, most)).requires_grad_(False)


def _averaged(most: float, average: Tensor, now: Tensor, n_averaged: Tensor | int) -> Tensor:
    """Return the next average of a weight; at first it fades faster, since the first steps go far."""
    n_steps = int(n_averaged)
    return average.lerp(now, 1 - min(most, (1 + n_steps) / (10 + n_steps)))


def _check_strategy(settings: TrainingSettings, strategy: str) -> None:
    """Refuse a head alone where processes wait for the gradients of all weights."""
    head_alone = any(stage.trains == "head" for stage in settings.stages)
    if head_alone and strategy.startswith("ddp") and "find_unused" not in strategy:
        raise RecipeError(
            f"trainer.strategy is {strategy}, and a stage trains the head alone; allowed with it is "
            f"{strategy}_find_unused_parameters_true"
        )


def _n_windows(array: WindowArray, task: Task, stage: Stage) -> int:
    """Return how many windows of the array an epoch of a stage has, or refuse a stage that has none."""
    n_windows = len(draw_epoch(array, task.train, stage, np.random.default_rng(0)))
    if not n_windows:
        raise RecipeError(
            f"training.{task.arm}: a stage trains on windows of {stage.population} votes, and none of the "
            f"{len(task.train)} training windows is one; allowed are 'all' and the population that the data have"
        )
    return n_windows


def _freeze(network: ArmNetwork, *, below_head: bool) -> None:
    """Hold everything below the head as it is, its batch statistics as well, or let all go."""
    for name, module in network.network.named_children():
        module.train(not below_head or name in HEADS)
    for name, parameter in network.network.named_parameters():
        parameter.requires_grad_(not below_head or name.partition(".")[0] in HEADS)


def _precision(settings: TrainingSettings, network: nn.Module, accelerator: str) -> Any:
    if settings.precision != "auto":
        return {"32": "32-true", "bf16": "bf16-mixed"}[settings.precision]
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if network.bf16_on_cpu and _has_bf16() else "32-true"


def _has_bf16() -> bool:
    """Tell whether the CPU has instructions for bfloat16; oneDNN also emulates them, which is slower than float32."""
    if platform.machine().lower() in ("x86_64", "amd64"):
        asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, lambda: False)() for name in asked)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def keep_freed_memory() -> None:
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
