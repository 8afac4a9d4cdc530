"""Adapt training to the machine: strategy, precision, memory, interrupts, logging."""

import ctypes
import logging
import platform
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L  # noqa: N812 - the conventional alias
import torch
from torch import nn

from ictal.errors import RecipeError
from ictal.recipes.stages import TrainingSettings

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Options of glibc's mallopt (malloc.h)."""


def check_strategy(settings: TrainingSettings, strategy: str) -> None:
    """Refuse to train only the head where processes wait for the gradients of all weights."""
    head_alone = any(stage.trains == "head" for stage in settings.stages)
    if head_alone and strategy.startswith("ddp") and "find_unused" not in strategy:
        raise RecipeError(
            f"trainer.strategy is {strategy}, but a stage trains only the head; allowed is "
            f"{strategy}_find_unused_parameters_true"
        )


def precision_of(settings: TrainingSettings, network: nn.Module, accelerator: str) -> Any:
    """Return Lightning's name for the precision in which a network is trained."""
    if settings.precision != "auto":
        return {"32": "32-true", "bf16": "bf16-mixed"}[settings.precision]
    if accelerator != "cpu" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    return "bf16-mixed" if getattr(network, "bf16_on_cpu", False) and _has_bf16() else "32-true"


def _has_bf16() -> bool:
    """Return whether the CPU has bfloat16 instructions; oneDNN also emulates them, more slowly than float32."""
    if platform.machine().lower() in ("x86_64", "amd64"):
        asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, lambda: False)() for name in asked)
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def keep_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors for the next step.

    By default glibc returns large blocks to the system at once and requests them again, page by page, in each step.
    This takes a sixth of the training time on a CPU. Without glibc, nothing is changed.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


@contextmanager
def keyboard_interrupt(trainer: L.Trainer) -> Iterator[None]:
    """Raise KeyboardInterrupt where Lightning would exit, and restore the handler of Ctrl-C."""
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
def quiet_lightning() -> Iterator[None]:
    """Hide Lightning's advice about hardware and workers, on which users of ictal cannot act."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        logger.setLevel(level)
