"""Report text in German: a second language, which needs no change of the sentences' code."""

from ictal.terminology.english import duration_in_words
from ictal.terminology.language import Language

SIDES = {"left": "links", "right": "rechts"}


def joined(items, last):
    return f" {last} ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def regions_of(regions):
    first = {"frontal": "fronto", "central": "zentro", "temporal": "temporo", "parietal": "parieto"}
    last = {"central": "zentral", "occipital": "okzipital"}
    *others, final = regions or [""]
    return "".join([*(first[region] for region in others), last.get(final, final)])


GERMAN = Language(
    number=lambda value, decimals: f"{value:.{decimals}f}".replace(".", ","),
    duration=lambda seconds: duration_in_words(seconds).replace("h", "Std."),
    conjunction=lambda items: joined(items, "und"),
    disjunction=lambda items: joined(items, "oder"),
    place=lambda side, regions: f"{SIDES[side]} {'hemisphärisch' if len(regions) > 3 else regions_of(regions)}",
    regions=regions_of,
    patterns={
        "seizure": "elektrografischen Anfälle",
        "lpd": "LPDs",
        "gpd": "GPDs",
        "lrda": "LRDA",
        "grda": "GRDA",
        "bipd": "BIPDs",
    },
    written_out={"bipd": "bilateral unabhängige periodische Entladungen (BIPDs)"},
    main_terms={"generalized": "generalisiert", "bilateral independent": "bilateral unabhängig"},
    sides=SIDES,
    prevalence={
        "none": "",
        "continuous": "kontinuierlich",
        "abundant": "reichlich",
        "frequent": "häufig",
        "occasional": "gelegentlich",
        "rare": "selten",
    },
    durations={
        "very long": "sehr lang",
        "long": "lang",
        "intermediate": "mittellang",
        "brief": "kurz",
        "very brief": "sehr kurz",
    },
    sharpness={"spiky": "spitz", "sharp": "scharf", "sharply contoured": "scharf konturiert", "blunt": "stumpf"},
    phases={
        "monophasic": "monophasisch",
        "biphasic": "biphasisch",
        "triphasic": "triphasisch",
        "polyphasic": "polyphasisch",
    },
    amplitudes={"very low": "sehr niedrig", "low": "niedrig", "medium": "mittelhoch", "high": "hoch"},
    evolution={"evolving": "mit Evolution", "fluctuating": "fluktuierend", "static": "ohne Evolution"},
    continuity={
        "continuous": "kontinuierlich",
        "nearly continuous": "fast kontinuierlich ({share} der Zeit abgeflacht)",
        "discontinuous": "diskontinuierlich ({share} der Zeit abgeflacht)",
        "burst-suppression": "ein Burst-Suppression-Muster ({share} der Zeit supprimiert)",
        "burst-attenuation": "ein Burst-Attenuation-Muster ({share} der Zeit abgeflacht)",
        "suppressed": "supprimiert (unter 10 µV)",
        "attenuated": "abgeflacht",
    },
    voltages={
        "high": "hochgespannt ({uv} µV)",
        "normal": "von normaler Amplitude ({uv} µV)",
        "low": "niedergespannt ({uv} µV)",
        "suppressed": "unter 10 µV ({uv} µV)",
    },
    symmetry={
        "symmetric": "symmetrisch",
        "mild asymmetry": "leicht asymmetrisch",
        "marked asymmetry": "deutlich asymmetrisch",
    },
    bands={"delta": "Delta", "theta": "Theta", "alpha": "Alpha", "beta": "Beta"},
    quantities={
        "frequency": "Frequenz",
        "side": "Seite",
        "location": "Lokalisation",
        "morphology": "Morphologie",
        "amplitude": "Amplitude",
        "continuity": "Kontinuität",
        "voltage": "Amplitude",
        "symmetry": "Symmetrie",
        "predominant frequency": "vorherrschende Frequenz",
    },
    percent="{number} %",
    under_one_percent="< 1 %",
    nearly_all="> 99 %",
    subject="{prevalence} {pattern} {place}",
    one_seizure="elektrografischer Anfall {place}",
    frequency="mit {typical} Hz",
    frequency_range="mit {low}–{high} Hz (typisch {typical} Hz)",
    slower_than="< {frequency}",
    predominance="{regions} betont",
    larger_side="{side} höher",
    amplitude="{amplitude} ({uv} µV)",
    front_leads="mit anterior-posteriorer Verzögerung von {ms} ms",
    back_leads="mit posterior-anteriorer Verzögerung von {ms} ms",
    evolution_in="{evolution} bei {number} von {total}",
    when="über {duration} um {time}",
    not_located="{quantity} nicht bestimmbar",
    not_measured="{quantities} nicht messbar",
    share="{share} der Ableitung",
    worst_hour="{share}, bis zu {worst} einer Stunde (ab {time})",
    run="einmal über {duration} ({word}) um {time}",
    runs="{number}-mal, am längsten {duration} ({word}), zuerst um {time}",
    not_evolved="Evolution nicht beurteilbar",
    seizure="ein elektrografischer Anfall, {places}",
    seizures="{number} elektrografische Anfälle ({places})",
    placed="{number} {place}",
    all_placed="alle {place}",
    both_placed="beide {place}",
    unknown_place="ohne bestimmbare Lokalisation",
    seizure_run="Dauer {duration}, Beginn um {time}",
    seizure_runs="insgesamt {total}, am längsten {duration}, zuerst um {time}",
    status_by_length="elektrografischer Status epilepticus (Anfall von mindestens 10 min): {duration} ab {start}",
    status_by_share="elektrografischer Status epilepticus (mindestens 20 % von 60 min): {duration} ab {start}",
    no_status="die Kriterien eines elektrografischen Status epilepticus sind nicht erfüllt",
    background_is="die Grundaktivität ist {is_}",
    background_has="die Grundaktivität zeigt {has}",
    background_is_with="die Grundaktivität ist {is_}, mit {has}",
    asymmetry="{symmetry} ({side} um {share} niedriger)",
    band="vorherrschender {band}-Aktivität ({hz} Hz)",
    posterior_rhythm="einem posterioren Grundrhythmus von {hz} Hz",
    no_posterior_rhythm="ohne posterioren Grundrhythmus",
    background_not_determined="{quantities} nicht bestimmbar",
    background_unknown="die Grundaktivität war nicht messbar",
    absent="keine {patterns}",
    not_assessed="nicht beurteilt: {patterns}",
    continuum="auf dem iktal-interiktalen Kontinuum (ohne Plus-Modifikatoren): {share} der Ableitung",
    no_continuum="kein Muster auf dem iktal-interiktalen Kontinuum (ohne Plus-Modifikatoren)",
    like_seizure="ein Ereignis ({patterns}) erfüllt die Kriterien eines Anfalls und ist zu prüfen",
    like_seizures="{number} Ereignisse ({patterns}) erfüllen die Kriterien eines Anfalls und sind zu prüfen",
    scored="nur {scored} von {span} auswertbar; alle Anteile beziehen sich darauf",
    nothing_scored="nichts auswertbar",
)
