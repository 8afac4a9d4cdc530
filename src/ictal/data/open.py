"""Open a data set by its name or path."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from ictal.core.windows import WINDOW_S, ShortPolicy
from ictal.data.dataset import Dataset, DataSettings
from ictal.data.hms import read_hms_folder
from ictal.data.manifest import read_manifest
from ictal.data.simulated import SimulatedDataset
from ictal.data.submission import is_test_folder, read_test_folder
from ictal.errors import TableError, UnknownNameError
from ictal.preprocessing.input_needs import ALL, Needs
from ictal.preprocessing.regional_spectrogram import CONTEXT_S
from ictal.simulator import CONTROLS, SimulationSettings


def open_dataset(
    spec: str,
    settings: DataSettings,
    *,
    with_context: bool = False,
    needs: Needs = ALL,
    short: ShortPolicy = "reflect",
    with_votes: bool = True,
) -> Dataset:
    """Open a data set and check it completely.

    Parameters
    ----------
    spec
        'sim', one of its controls ('sim:temporal', ...), a folder in the layout of the HMS competition, or a
        manifest CSV; if votes are not needed, also a folder with the competition's test EEGs.
    settings
        Size of 'sim', and which windows of files are used.
    with_context
        Whether contexts will be used. EEGs of 'sim' are then long enough for them, unless the settings give their
        duration.
    needs
        What the models need; by default, all 19 electrodes and 50 s around each vote.
    short
        How recordings shorter than that are treated, see `ictal.preprocessing.settings.StandardiseSettings`.
    with_votes
        Whether tables must have votes. If not, they have all vote columns or none, and a folder with test.csv is
        that of the test EEGs.

    Raises
    ------
    TableError
        Listing all problems; also if `spec` is none of these, or contexts are requested for a control.
    UnknownNameError
        If there is no such control.
    """
    simulator, colon, control = spec.partition(":")
    if simulator == "sim":
        if colon and control not in CONTROLS:
            raise UnknownNameError("control", control, CONTROLS)
        return SimulatedDataset(_long_enough(settings.sim, control, with_context), control or None)
    path = Path(spec)
    if not with_votes and is_test_folder(path):
        dataset = read_test_folder(path)
    elif path.is_dir():
        dataset = read_hms_folder(path, with_votes=with_votes)
    elif path.is_file():
        dataset = read_manifest(path, with_votes=with_votes)
    else:
        raise TableError(
            f"'{spec}': no such folder or file; DATA is 'sim', 'sim:CONTROL', a folder with train.csv and "
            "train_eegs/ (HMS layout), or a CSV with a row per window"
        )
    labels = thin(dataset.labels, settings.max_windows_per_eeg)
    dataset = replace(dataset, labels=labels, accept_doubtful=settings.accept_doubtful)
    return dataset.checked(needs, short)


def _long_enough(settings: SimulationSettings, control: str, with_context: bool) -> SimulationSettings:
    """Return settings whose simulated EEGs are long enough for contexts if needed."""
    if with_context and settings.eeg_s is None:
        settings = settings.model_copy(update={"eeg_s": float(CONTEXT_S)})
    if control and settings.eeg_s not in (None, WINDOW_S):
        raise TableError(
            f"'sim:{control}': EEGs of a control last {WINDOW_S} s and have no context, but {settings.eeg_s:g} s are "
            "requested (by data.sim.eeg_s, or by an arm that uses contexts); allowed are other arms, or 'sim'"
        )
    return settings


def thin(labels: pd.DataFrame, most: int | None) -> pd.DataFrame:
    """Keep at most `most` windows of each EEG, evenly spaced in time, and make the rows of each EEG adjacent."""
    order = labels["eeg_id"].drop_duplicates().reset_index(drop=True)
    rank = labels["eeg_id"].map(pd.Series(order.index, index=order))
    labels = labels.assign(_rank=rank).sort_values(["_rank", "start_s"], kind="stable").drop(columns="_rank")
    if most is not None:
        groups = labels.groupby("eeg_id", sort=False)["window_id"]
        position, size = groups.cumcount(), groups.transform("size")
        kept = (position * most) // size != ((position - 1) * most) // size
        labels = labels[kept]
    return labels.reset_index(drop=True)
