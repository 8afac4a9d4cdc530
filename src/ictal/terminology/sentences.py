"""Parts of sentences that all report text shares."""

from ictal.terminology.language import Language


def sentence(*clauses: str) -> str:
    """Join clauses into a sentence with a capital letter and a full stop."""
    text = " ".join("; ".join(clauses).split())
    return f"{text[:1].upper()}{text[1:]}."


def percent(share: float, language: Language) -> str:
    """Write a share in whole per cent; a small one is not written as 0, and a large one not as 100."""
    if 0 < share < 0.005:
        return language.under_one_percent
    if 0.995 <= share < 1:
        return language.nearly_all
    return language.percent.format(number=language.number(100 * share, 0))
