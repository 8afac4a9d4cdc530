"""The command that describes recordings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ictal.cli.options import ACCEPT_DOUBTFUL, INTERPOLATE, JOIN, JSON, MODEL, RECORDINGS, given_recordings
from ictal.cli.screen import Results, for_each

if TYPE_CHECKING:
    from ictal.core.recording import Recording
    from ictal.scoring.recording_info import Info


def info(
    files: Annotated[list[Path], RECORDINGS],
    model: Annotated[Path, MODEL] = Path("default"),
    join: Annotated[bool, JOIN] = False,
    interpolate: Annotated[int, INTERPOLATE] = 0,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Describe a recording before it is scored.

    The result says whether the model can score it, or why not.

    Example: ictal info night.edf
    """
    from ictal.scoring.export_contract import read_input
    from ictal.scoring.recording_info import info as describe

    contract, results = read_input(model), Results(json_file)

    def show(file: "Path | Recording") -> dict[str, Any]:
        found = describe(file, contract, interpolate, accept_doubtful=accept_doubtful)
        results.show(*_lines(found))
        return found.to_json()

    for_each(given_recordings(files, join, accept_doubtful)[1], show, results)


def _lines(info: "Info") -> list[str]:
    return [info.name, *(f"  {line}" for line in (*_of_file(info), *_of_channels(info), *_of_model(info)))]


def _of_file(info: "Info") -> list[str]:
    from ictal.report.clock import duration_in_words

    start = f", from {info.start:%Y-%m-%d %H:%M:%S}" if info.start else ""
    return [f"{duration_in_words(info.span_s)}{start}; {len(info.channels)} channels at {info.rate_hz:g} Hz"]


def _of_channels(info: "Info") -> list[str]:
    from ictal.errors import listed

    if info.kind == "bipolar":
        lines = [f"bipolar: {listed(info.derivations, 30)}"]
    else:
        lines = [f"electrodes: {listed(info.electrodes, 19) or 'none'}"]
    named = {
        "missing": listed(info.missing, 19),
        "to be interpolated": ", ".join(info.interpolated),
        "ignored": listed(info.ignored, 12),
    }
    lines += [f"{name}: {channels}" for name, channels in named.items() if channels]
    views = "; ".join(f"{name} {formed} of {of}" for name, (formed, of) in info.views.items())
    return [*lines, f"derivations that can be formed: {views}"]


def _of_model(info: "Info") -> list[str]:
    from ictal.core.windows import CENTRE_S
    from ictal.report.clock import counted, duration_in_words

    lines = []
    if info.amplitude_uv is not None:
        lines.append(f"median amplitude: {info.amplitude_uv:.3g} µV")
    if info.flat:
        lines.append(f"flat: {', '.join(info.flat)}")
    if info.gaps:
        total_s = sum(length for _, length in info.gaps)
        total = duration_in_words(total_s) if total_s >= 1 else f"{total_s:.2g} s"
        lines.append(f"{counted(len(info.gaps), 'gap')}, {total} in all")
    if info.n_annotations:
        lines.append(counted(info.n_annotations, "annotation"))
    lines += [f"note: {note}" for note in info.notes]
    if info.problem:
        return [*lines, f"cannot be scored by the model '{info.model}': {info.problem}"]
    around = "" if info.window_s == CENTRE_S else f"; for each, the model uses {info.window_s:g} s around the middle"
    return [
        *lines,
        f"can be scored by the model '{info.model}': {counted(info.n_windows, 'window')} of {CENTRE_S} s{around}",
    ]
