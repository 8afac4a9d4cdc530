"""What training needs of the machine: precision, memory, interrupts, strategies."""

import ctypes
import logging
import platform
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L  # noqa: N812 - the name that its users know
import torch
from torch import nn

from ictal.errors import RecipeError
from ictal.recipes.stages import TrainingSettings

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Options of glibc's mallopt (malloc.h)."""


def check_strategy(settings: TrainingSettings, strategy: str) -> None:
    """Refuse a head alone where processes wait for the gradients of all weights."""
    head_alone = any(stage.trains == "head" for stage in settings.stages)
    if head_alone and strategy.startswith("ddp") and "find_unused" not in strategy:
        raise RecipeError(
            f"trainer.strategy is {strategy}, and a stage trains the head alone; allowed with it is "
            f"{strategy}_find_unused_parameters_true"
        )


def precision_of(settings: TrainingSettings, network: nn.Module, accelerator: str) -> Any:
    """Return Lightning's name of the precision in which a network is trained."""
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
def keyboard_interrupt(trainer: L.Trainer) -> Iterator[None]:
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
def quiet_lightning() -> Iterator[None]:
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
