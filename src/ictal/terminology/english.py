"""Report text in English."""

from collections.abc import Sequence

from ictal.terminology.findings import Region, Side
from ictal.terminology.language import Language

MINUTE_S, HOUR_S = 60, 3600

HEMISPHERE = 4
"""So many regions of a side, or more, are the hemisphere."""

COMBINING: dict[Region, str] = {
    "frontal": "fronto",
    "central": "centro",
    "temporal": "temporo",
    "parietal": "parieto",
    "occipital": "occipito",
}


def duration_in_words(duration_s: float) -> str:
    """Write a duration in its two largest units.

    Examples
    --------
    >>> [duration_in_words(duration) for duration in (10, 130, 360, 601, 3900, 86400)]
    ['10 s', '2 min 10 s', '6 min', '10 min', '1 h 5 min', '24 h']
    """
    seconds = round(duration_s)
    if seconds >= 10 * MINUTE_S:
        seconds = MINUTE_S * round(seconds / MINUTE_S)
    hours, minutes, seconds = seconds // HOUR_S, seconds % HOUR_S // MINUTE_S, seconds % MINUTE_S
    parts = [f"{value} {unit}" for value, unit in ((hours, "h"), (minutes, "min"), (seconds, "s")) if value]
    return " ".join(parts) or "0 s"


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}"


def _joined(items: Sequence[str], last: str) -> str:
    return f" {last} ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def _regions(regions: Sequence[Region]) -> str:
    """Write regions as one adjective.

    Examples
    --------
    >>> _regions(["temporal"]), _regions(["frontal", "temporal"]), _regions(["parietal", "occipital"])
    ('temporal', 'frontotemporal', 'parieto-occipital')
    >>> _regions(["temporal", "parietal", "occipital"])
    'temporo-parieto-occipital'
    """
    parts = [*(COMBINING[region] for region in regions[:-1]), *regions[-1:]]
    hyphen = "-" if len(parts) > 2 or "occipital" in regions else ""
    return hyphen.join(parts)


def _place(side: Side, regions: Sequence[Region]) -> str:
    return f"{side} {'hemispheric' if len(regions) >= HEMISPHERE else _regions(regions)}".rstrip()


ENGLISH = Language(
    number=_number,
    duration=duration_in_words,
    conjunction=lambda items: _joined(items, "and"),
    disjunction=lambda items: _joined(items, "or"),
    place=_place,
    regions=_regions,
    patterns={
        "seizure": "electrographic seizures",
        "lpd": "LPDs",
        "gpd": "GPDs",
        "lrda": "LRDA",
        "grda": "GRDA",
        "bipd": "BIPDs",
    },
    written_out={
        "bipd": "bilateral independent periodic discharges (BIPDs)",
    },
    main_terms={"generalized": "generalized", "bilateral independent": "bilateral independent"},
    sides={"left": "left", "right": "right"},
    prevalence={"none": ""} | {word: word for word in ("continuous", "abundant", "frequent", "occasional", "rare")},
    durations={word: word for word in ("very long", "long", "intermediate", "brief", "very brief")},
    sharpness={word: word for word in ("spiky", "sharp", "sharply contoured", "blunt")},
    phases={word: word for word in ("monophasic", "biphasic", "triphasic", "polyphasic")},
    amplitudes={word: f"{word} voltage" for word in ("very low", "low", "medium", "high")},
    evolution={
        "evolving": "evolving in frequency",
        "fluctuating": "fluctuating in frequency",
        "static": "without evolution in frequency",
    },
    continuity={
        "continuous": "continuous",
        "nearly continuous": "nearly continuous (attenuated or suppressed {share} of the time)",
        "discontinuous": "discontinuous (attenuated or suppressed {share} of the time)",
        "burst-suppression": "in burst-suppression (suppressed {share} of the time)",
        "burst-attenuation": "in burst-attenuation (attenuated {share} of the time)",
        "suppressed": "suppressed (below 10 µV)",
        "attenuated": "attenuated",
    },
    voltages={
        "high": "of high voltage ({uv} µV)",
        "normal": "of normal voltage ({uv} µV)",
        "low": "of low voltage ({uv} µV)",
        "suppressed": "of suppressed voltage ({uv} µV)",
    },
    symmetry={
        "symmetric": "symmetric",
        "mild asymmetry": "mildly asymmetric",
        "marked asymmetry": "markedly asymmetric",
    },
    bands={word: word for word in ("delta", "theta", "alpha", "beta")},
    quantities={
        "frequency": "frequency",
        "side": "side",
        "location": "location",
        "morphology": "morphology",
        "amplitude": "amplitude",
        "continuity": "continuity",
        "voltage": "voltage",
        "symmetry": "symmetry",
        "predominant frequency": "predominant frequency",
    },
    percent="{number} %",
    under_one_percent="< 1 %",
    nearly_all="> 99 %",
    subject="{prevalence} {place} {pattern}",
    one_seizure="{place} electrographic seizure",
    frequency="at {typical} Hz",
    frequency_range="at {low}–{high} Hz (typically {typical} Hz)",
    slower_than="< {frequency}",
    predominance="with {regions} predominance",
    larger_side="larger on the {side}",
    amplitude="of {amplitude} ({uv} µV)",
    front_leads="with an anterior-posterior lag of {ms} ms",
    back_leads="with a posterior-anterior lag of {ms} ms",
    evolution_in="{evolution} in {number} of {total}",
    when="for {duration} from {time}",
    not_located="the {quantity} could not be determined",
    not_measured="{quantities} could not be measured",
    share="{share} of the recording",
    worst_hour="{share}, up to {worst} of one hour (from {time})",
    run="one run of {duration} ({word} duration) from {time}",
    runs="{number} runs, the longest {duration} ({word} duration), the first from {time}",
    not_evolved="evolution could not be assessed",
    seizure="there was one electrographic seizure, {places}",
    seizures="there were {number} electrographic seizures ({places})",
    placed="{number} {place}",
    all_placed="all {place}",
    both_placed="both {place}",
    unknown_place="of undetermined location",
    seizure_run="it lasted {duration} and began at {time}",
    seizure_runs="{total} in total, the longest {duration}, the first at {time}",
    status_by_length=(
        "this meets the definition of electrographic status epilepticus (a seizure of at least 10 min): {duration} "
        "from {start} to {stop}"
    ),
    status_by_share=(
        "this meets the definition of electrographic status epilepticus (seizures for at least 20 % of any 60 min): "
        "{duration} from {start} to {stop}"
    ),
    no_status="the definition of electrographic status epilepticus was not met",
    background_is="the background was {is_}",
    background_has="the background had {has}",
    background_is_with="the background was {is_}, with {has}",
    asymmetry="{symmetry} (lower on the {side} by {share})",
    band="predominant {band} activity ({hz} Hz)",
    posterior_rhythm="a posterior dominant rhythm of {hz} Hz",
    no_posterior_rhythm="no posterior dominant rhythm",
    background_not_determined="its {quantities} could not be determined",
    background_unknown="the background could not be measured",
    absent="the recording showed no {patterns}",
    not_assessed="the model does not assess {patterns}",
    continuum=(
        "patterns on the ictal-interictal continuum made up {share} of the recording (plus modifiers not assessed)"
    ),
    no_continuum="no pattern was on the ictal-interictal continuum (plus modifiers not assessed)",
    like_seizure=(
        "one run of {patterns} may meet the definition of an electrographic seizure by its frequency or evolution, "
        "although it was not classified as one, and needs review"
    ),
    like_seizures=(
        "{number} runs of {patterns} may meet the definition of an electrographic seizure by their frequency or "
        "evolution, although they were not classified as such, and need review"
    ),
    scored="{scored} of {span} were scored; all shares refer to this time",
    nothing_scored="nothing could be scored",
)
