"""Whether the frequency of a pattern evolves, fluctuates or is static, by the rules of the terminology."""

import numpy as np
import numpy.typing as npt

from ictal.terminology.findings import Evolution

Floats = npt.NDArray[np.float64]

CHANGE_HZ = 0.5
"""Least change in frequency (ACNS 2021, C, modifier 8, evolution)."""
FEWEST_CYCLES, SHORTEST_S = 3, 4.0
"""A frequency must persist for at least three cycles; shorter parts of a pattern cannot be compared."""
MOST_PARTS, LONGEST_S = 8, 300.0
"""A frequency that persists for 5 minutes ends evolution, so longer patterns are judged in parts."""
CHANGING: tuple[Evolution, Evolution] = ("evolving", "fluctuating")
PAUSE = 3.0
"""An interval of more than this many usual ones is a pause of the pattern."""
FLUCTUATIONS, APART_S = 3, 60.0
"""A fluctuating pattern changes at least three times, at most one minute apart."""


def evolution_of(cycles_s: npt.ArrayLike) -> Evolution | None:
    """Return whether the frequency of a pattern evolves; None if it is too short to tell.

    A pattern of more than 5 minutes is divided: it evolves or fluctuates if most of its parts do.

    It evolves if it changes twice in the same direction by at least 0.5 Hz. It fluctuates if it changes at least
    three times by as much, at most one minute apart, without evolving. Evolution in location or morphology is not
    measured; changes in amplitude alone do not count.

    Parameters
    ----------
    cycles_s
        Times of its discharges or waves.
    """
    times = np.asarray(cycles_s, dtype=np.float64)
    if len(times) and times[-1] - times[0] > LONGEST_S:
        edges = np.linspace(times[0], times[-1], int(np.ceil((times[-1] - times[0]) / LONGEST_S)) + 1)
        parts = [evolution_of(part) for part in np.split(times, np.searchsorted(times, edges[1:-1])) if len(part)]
        told = [part for part in parts if part]
        return next((word for word in CHANGING if 2 * told.count(word) > len(told)), "static") if told else None
    at_s, rates = rates_over_time(times)
    if len(rates) < 2:
        return None
    if _moves_twice(rates, CHANGE_HZ):
        return "evolving"
    turns_s = at_s[1:][np.abs(np.diff(_steps(rates))) >= CHANGE_HZ]
    near = np.diff(turns_s) <= APART_S
    fluctuates = any(near[first : first + FLUCTUATIONS - 1].all() for first in range(len(near) - FLUCTUATIONS + 2))
    return "fluctuating" if fluctuates else "static"


def rates_over_time(cycles_s: Floats) -> tuple[Floats, Floats]:
    """Return the middle of successive parts of a pattern, s, and the median rate of each, Hz.

    Parts have at least three cycles and 4 s, and there are at most eight.
    """
    if len(cycles_s) <= FEWEST_CYCLES:
        return np.empty(0), np.empty(0)
    span_s = float(cycles_s[-1] - cycles_s[0])
    n_parts = int(np.clip(span_s / SHORTEST_S, 1, MOST_PARTS))
    middles, intervals = (cycles_s[1:] + cycles_s[:-1]) / 2, np.diff(cycles_s)
    edges = np.linspace(cycles_s[0], cycles_s[-1], n_parts + 1)
    part = np.clip(np.searchsorted(edges, middles, side="right") - 1, 0, n_parts - 1)
    # A pause of the pattern is not an interval between its cycles.
    usual = intervals <= PAUSE * np.median(intervals)
    found = [
        (float(np.mean(edges[number : number + 2])), float(1 / np.median(intervals[own])))
        for number in range(n_parts)
        if (own := (part == number) & usual).sum() >= FEWEST_CYCLES
    ]
    at_s, rates = np.array(found).reshape(-1, 2).T
    return at_s, rates


def _steps(rates: Floats) -> Floats:
    """Return the rates as a reader names them: one that differs by less than 0.5 Hz from the last is the same."""
    named = rates.copy()
    for index in range(1, len(named)):
        if abs(named[index] - named[index - 1]) < CHANGE_HZ:
            named[index] = named[index - 1]
    return named


def _moves_twice(values: Floats, step: float) -> bool:
    """Return whether values rise, or fall, by at least a step twice in succession, without going back between."""
    return any(_climbs(direction * values, step) for direction in (1, -1))


def _climbs(values: Floats, step: float) -> bool:
    for start in range(len(values) - 2):
        reached, climbs = values[start], 0
        for value in values[start + 1 :]:
            if value >= reached + step:
                reached, climbs = value, climbs + 1
                if climbs == 2:
                    return True
            elif value < reached - step / 2:
                break
    return False
