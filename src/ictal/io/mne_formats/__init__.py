"""Formats that MNE-Python reads, and what it does not tell about them."""
