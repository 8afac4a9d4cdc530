"""The colours that stand for the patterns, in figures and in the viewer."""

from ictal.core.labels import PATTERNS

PATTERN_COLOURS = dict(zip(PATTERNS, ("#d82d19", "#35316a", "#42c2ff", "#007a67", "#ffbf33", "#dde1e6"), strict=True))
"""At least 30 units of CIE Lab apart for any two, also for colour-blind readers (a test computes it)."""
