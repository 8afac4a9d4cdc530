"""The training loop, built on Lightning: one network, some rows of the array, one recipe."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - the conventional alias
import pandas as pd
import torch

from ictal.core.atomic_files import PART, atomic_write, writing
from ictal.core.progress import Progress, silent
from ictal.data import WindowArray
from ictal.data.simulated_stream import Stream
from ictal.distributed import n_processors
from ictal.models.arm_network import ArmNetwork
from ictal.recipes.schema import Recipe
from ictal.recipes.stages import TrainingSettings
from ictal.training.batches import count_windows
from ictal.training.lightning_module import Learner, freeze_layers
from ictal.training.platform import (
    check_strategy,
    keep_freed_memory,
    keyboard_interrupt,
    precision_of,
    quiet_lightning,
)
from ictal.training.stream_loader import few_threads
from ictal.training.task import CHECKPOINT, HISTORY, Task


def fit(
    network: ArmNetwork, array: WindowArray, task: Task, recipe: Recipe, folder: Path, progress: Progress = silent
) -> ArmNetwork:
    """Train a network; resume from the folder's checkpoint if there is one.

    Parameters
    ----------
    network
        Maps windows [batch, 20, 10000] to logits [batch, 6]; its weights are changed.
    array, task
        The windows, and which of them to train on.
    recipe
        How to train the task's arm, on which device, and how streamed windows become input.
    folder
        Where `last.ckpt` and `history.csv` are written after each epoch.
    progress
        Called after each batch.

    Returns
    -------
    ArmNetwork
        The network after the last epoch, or the moving average of its weights. The validation KL selects nothing.

    Raises
    ------
    RecipeError
        If a stage's population has no windows here, or several processes cannot train a head alone.
    KeyboardInterrupt
        On Ctrl-C; completed epochs are kept.
    """
    settings, hardware = recipe.training_of(task.arm), recipe.trainer
    assert isinstance(settings, TrainingSettings)
    folder.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    check_strategy(settings, hardware.strategy)
    stream = Stream(settings.stream, recipe.standardise, network.has_concentration) if settings.stream else None
    n_windows = stream.settings.windows if stream else min(count_windows(array, task, one) for one in settings.stages)
    workers = n_processors() if hardware.workers is None else hardware.workers
    learner = Learner(network, array, task, settings, stream, workers)
    checkpoint = folder / CHECKPOINT if (folder / CHECKPOINT).exists() else None
    with quiet_lightning(), torch.random.fork_rng(), few_threads() if stream else nullcontext():
        trainer = _trainer(learner, recipe, n_windows, folder, progress)
        with keyboard_interrupt(trainer):
            trainer.fit(learner, ckpt_path=checkpoint, weights_only=checkpoint is not None)
    if learner.average is not None:
        network.load_state_dict(learner.evaluated.state_dict())
    freeze_layers(network, below_head=False)
    return network.eval()


def _trainer(learner: Learner, recipe: Recipe, n_windows: int, folder: Path, progress: Progress) -> L.Trainer:
    """Return Lightning's trainer; the shortest epoch has `n_windows` windows."""
    settings, hardware = learner.settings, recipe.trainer
    return L.Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        strategy=hardware.strategy,
        precision=precision_of(settings, learner.network.network, hardware.accelerator),
        max_epochs=len(settings.epochs),
        accumulate_grad_batches=max(1, min(settings.batch_size, n_windows) // settings.per_pass),
        gradient_clip_val=settings.clip_norm,
        reload_dataloaders_every_n_epochs=1,
        callbacks=[ReportProgress(progress, learner.task.name), SaveEachEpoch(folder)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


class SaveEachEpoch(L.Callback):
    """Write history and checkpoint to a folder after each epoch, each file completely or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save the epoch; all processes take part, one writes."""
        assert isinstance(pl_module, Learner)
        pl_module.record_epoch()
        path = self.folder / CHECKPOINT
        part = path.with_name(f".{CHECKPOINT}{PART}")  # `atomic_write` would give each process its own name
        with writing(path):
            try:
                trainer.save_checkpoint(part)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            if trainer.is_global_zero:
                part.replace(path)
        if trainer.is_global_zero:
            with atomic_write(self.folder / HISTORY) as path:
                pd.DataFrame(pl_module.history).to_csv(path, index=False)


class ReportProgress(L.Callback):
    """Pass each batch on to the progress hook."""

    def __init__(self, progress: Progress, name: str) -> None:
        self.progress, self.name = progress, name

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report which part of all epochs is done."""
        per_epoch = int(trainer.num_training_batches)
        if trainer.is_global_zero and trainer.max_epochs:
            done = trainer.current_epoch * per_epoch + batch_idx + 1
            self.progress(self.name, done, trainer.max_epochs * per_epoch)
