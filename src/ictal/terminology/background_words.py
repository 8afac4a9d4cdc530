"""The background of an EEG in a sentence."""

from ictal.terminology.english import ENGLISH
from ictal.terminology.findings import BackgroundFinding, Side
from ictal.terminology.language import Language
from ictal.terminology.phrases import percent, sentence

WITH_RHYTHMS = ("continuous", "nearly continuous", "discontinuous")
"""Only in these backgrounds it says something that no posterior rhythm is seen."""


def background_sentence(background: BackgroundFinding, language: Language = ENGLISH) -> str:
    """Describe the background in a sentence: continuity, voltage, symmetry, frequency and posterior rhythm.

    What is not known is named.
    """
    adjectives = {
        "continuity": _continuity(background, language),
        "voltage": _voltage(background, language),
        "symmetry": _symmetry(background, language),
    }
    band = _band(background, language)
    known = [text for text in adjectives.values() if text]
    if not known and band is None:
        return sentence(language.background_unknown)
    features = [text for text in (band, _posterior_rhythm(background, language)) if text is not None]
    phrase = language.background_is_with if features else language.background_is
    if not known:
        phrase = language.background_has
    text = phrase.format(is_=language.conjunction(known), has=language.conjunction(features))
    missing = [name for name, said in adjectives.items() if said is None]
    if band is None and background.continuity in WITH_RHYTHMS:
        missing.append("predominant frequency")
    names = language.conjunction([language.quantities[name] for name in missing])
    return sentence(text, *([language.background_not_determined.format(quantities=names)] if missing else []))


def _continuity(background: BackgroundFinding, language: Language) -> str | None:
    if background.continuity is None or background.suppressed_share is None:
        return None
    return language.continuity[background.continuity].format(share=percent(background.suppressed_share, language))


def _voltage(background: BackgroundFinding, language: Language) -> str | None:
    """Write the voltage; an empty text if the continuity says it already."""
    if background.voltage is None or background.voltage_uv is None:
        return None
    if background.continuity == background.voltage == "suppressed":
        return ""
    return language.voltages[background.voltage].format(uv=language.number(background.voltage_uv, 0))


def _symmetry(background: BackgroundFinding, language: Language) -> str | None:
    if background.symmetry is None or background.left_right is None:
        return None
    word = language.symmetry[background.symmetry]
    if background.symmetry == "symmetric":
        return word
    ratio = background.left_right
    weaker: Side = "left" if ratio < 1 else "right"
    share = percent(1 - min(ratio, 1 / ratio), language)
    return language.asymmetry.format(symmetry=word, side=language.sides[weaker], share=share)


def _band(background: BackgroundFinding, language: Language) -> str | None:
    if background.predominant is None or background.predominant_hz is None:
        return None
    hz = language.number(background.predominant_hz, 1)
    return language.band.format(band=language.bands[background.predominant], hz=hz)


def _posterior_rhythm(background: BackgroundFinding, language: Language) -> str | None:
    if background.posterior_hz is None:
        return None
    if background.posterior_hz > 0:
        return language.posterior_rhythm.format(hz=language.number(background.posterior_hz, 1))
    return language.no_posterior_rhythm if background.continuity in WITH_RHYTHMS else None
