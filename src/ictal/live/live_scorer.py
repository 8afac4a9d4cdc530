"""Score the windows of a recording that grows, each as soon as all that the model sees of it is there.

A row is what `ictal.score` would say of the recording up to that moment. It can differ from the row of the finished
recording, for which the band-pass (forward and backward) and the interpolation of bad electrodes know what follows.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ictal.core.recording import Recording
from ictal.core.windows import BEFORE_SAMPLES, CENTRE_S, RATE_HZ, Geometry
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.runs import RecordedRun, check_unit, recorded_runs, sample_of
from ictal.scoring.engines import Engine
from ictal.scoring.events import ROUNDING_S
from ictal.scoring.pipeline import Chunk, ScoreSettings, engine_for, manifest_of, rows_of_chunk
from ictal.scoring.scored_recording import RecordingInfo
from ictal.scoring.scores import Scores

MOST_WINDOWS = 32
"""Windows that are scored together, where many are waiting: other beds wait as long."""


class LiveScorer:
    """Scores one recording.

    Parameters
    ----------
    engine
        Opened with one thread: beds are scored side by side.
    settings
        How it is scored; see `ictal.scoring.pipeline.ScoreSettings`.
    """

    def __init__(self, engine: Engine, settings: ScoreSettings) -> None:
        self._engine, self._contract = engine_for(engine, settings)
        self._settings = settings
        # A recording that is still too short has no window, since it will be longer.
        self._geometry = Geometry(self._contract.seen_s, "refuse")
        self._mapped: tuple[tuple[str, ...], ChannelMapping] | None = None

    def new_rows(self, recording: Recording, after_s: float) -> Iterator[pd.DataFrame]:
        """Yield the rows of the windows that can be scored now, in chunks, in the order of time.

        Parameters
        ----------
        recording
            What there is so far.
        after_s
            Start of the last row so far; -inf if there is none.

        Raises
        ------
        ElectrodeError, ReadError
            If the recording lacks what the model needs, or its unit is implausible.
        """
        if recording.duration_s < CENTRE_S:
            return
        runs = recorded_runs(recording, self._mapping(recording), self._contract.standardise.fill)
        for chunk in self._waiting(runs, after_s):
            excerpt = chunk.read(self._contract, self._settings.quality)
            yield rows_of_chunk(chunk, excerpt, self._engine(excerpt.batch).probabilities, self._contract)

    def scores(self, recording: Recording, rows: pd.DataFrame) -> Scores:
        """Return all rows so far as the scores of what there is of a recording."""
        info = RecordingInfo.of(recording, self._mapping(recording))
        return Scores(rows, info, manifest_of(self._engine, self._contract, self._settings))

    def _waiting(self, runs: list[RecordedRun], after_s: float) -> Iterator[Chunk]:
        step = round(self._settings.step_s * RATE_HZ)
        for run, starts in zip(runs, self._geometry.starts(runs, step), strict=True):
            first = (after_s - run.onset_s + ROUNDING_S) * RATE_HZ - BEFORE_SAMPLES
            later = starts[int(np.searchsorted(starts, first, side="right")) :] if len(starts) else starts
            for number in range(0, len(later), MOST_WINDOWS):
                yield Chunk(run, tuple(later[number : number + MOST_WINDOWS]), self._geometry, step)

    def _mapping(self, recording: Recording) -> ChannelMapping:
        """Return how channels become electrodes, anew if a piece with other channels was added."""
        if self._mapped is None or self._mapped[0] != recording.channels:
            mapping = map_channels(recording, self._contract.needs.derivations, self._settings.interpolate)
            check_unit(sample_of(recording, mapping), recording.name)
            self._mapped = recording.channels, mapping
        return self._mapped[1]
