"""The training loop, on Lightning: one network, some rows of the array, one set of settings."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812 - the name that its users know
import pandas as pd
import torch

from ictal.core.atomic_files import PART, atomic_write, writing
from ictal.core.progress import Progress, silent
from ictal.data import WindowArray
from ictal.data.simulated_stream import Stream
from ictal.distributed import n_processors
from ictal.models.arms import ArmNetwork
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes.schema import TrainerSettings
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


class SaveEachEpoch(L.Callback):
    """Write the state of training after each epoch, whole or not at all."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save history and checkpoint; all processes take part, one writes."""
        assert isinstance(pl_module, Learner)
        pl_module.note_epoch()
        path = pl_module.folder / CHECKPOINT
        part = path.with_name(f".{CHECKPOINT}{PART}")  # of all processes the same, so that it is no `atomic_write`
        with writing(path):
            try:
                trainer.save_checkpoint(part)
            except BaseException:
                part.unlink(missing_ok=True)
                raise
            if trainer.is_global_zero:
                part.replace(path)
        if trainer.is_global_zero:
            with atomic_write(pl_module.folder / HISTORY) as path:
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
    n_windows = stream.settings.windows if stream else min(count_windows(array, task, one) for one in settings.stages)
    check_strategy(settings, trainer_settings.strategy)
    checkpoint = folder / CHECKPOINT
    workers = n_processors() if trainer_settings.workers is None else trainer_settings.workers
    learner = Learner(network, array, task, settings, folder, stream, workers)
    with quiet_lightning(), torch.random.fork_rng(), few_threads() if stream else nullcontext():
        trainer = L.Trainer(
            accelerator=trainer_settings.accelerator,
            devices=trainer_settings.devices,
            strategy=trainer_settings.strategy,
            precision=precision_of(settings, network.network, trainer_settings.accelerator),
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
        with keyboard_interrupt(trainer):
            trainer.fit(learner, ckpt_path=resume, weights_only=resume is not None)
    if learner.average is not None:
        network.load_state_dict(learner.judged.state_dict())
    freeze_layers(network, below_head=False)
    return network.eval()
