"""Formats of vendors that third-party packages read, each in a process of its own with limits."""
