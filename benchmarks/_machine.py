"""Describe what a figure was measured on: the machine, its memory, and real data next to the project."""

import os
import platform
from contextlib import suppress
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


INSTRUCTIONS = {"avx512f": "AVX-512", "avx512_vnni": "VNNI", "avx512_bf16": "AVX512-BF16", "amx_bf16": "AMX"}
"""CPU instructions that speed up networks most, by their name in Linux."""


def machine() -> str:
    """Return CPU, number of CPUs and system in one line, and on Linux the instructions of the CPU."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return f"{platform.processor()}, {os.cpu_count()} processors, {platform.system()}"
    fields = dict(line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line)
    told = {name.strip(): value.split() for name, value in fields.items()}
    has = [name for flag, name in INSTRUCTIONS.items() if flag in told.get("flags", [])]
    lacks = [name for name in INSTRUCTIONS.values() if name not in has]
    can = " and ".join(f"{word} {', '.join(names)}" for word, names in (("with", has), ("without", lacks)) if names)
    name = " ".join(told.get("model name", [platform.machine()]))
    return f"{name} ({can}), {os.cpu_count()} processors, {platform.system()}"


def memory_of(pid: int) -> int:
    """Return the bytes of a process and its children; shared memory counts once if the system reports it."""
    import psutil  # only some scripts need it

    total = 0
    with suppress(psutil.NoSuchProcess):
        whole = psutil.Process(pid)
        for process in (whole, *whole.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                told = process.memory_full_info()
                total += getattr(told, "pss", told.rss)
    return total
