"""Streams of the Lab Streaming Layer stay on this machine, and apart from those of other test processes."""

import os
import uuid

from tests.conftest import CACHE

CONFIGURATION = f"{CACHE.name}/lsl_api.cfg"
"""LSL reads it when it is first used; programs that the tests start inherit it."""
with open(CONFIGURATION, "w", encoding="utf-8") as file:  # noqa: PTH123 - read by a library in C
    file.write(f"[multicast]\nResolveScope = machine\n[lab]\nSessionID = {uuid.uuid4().hex}\n")
os.environ["LSLAPICFG"] = CONFIGURATION
