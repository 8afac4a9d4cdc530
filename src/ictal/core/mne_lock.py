"""The lock for MNE-Python, which sets log levels and warning filters of the whole program while it works."""

import threading

MNE = threading.RLock()
"""Held by the one thread that uses MNE-Python."""
