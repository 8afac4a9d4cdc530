"""Update the table of docs/formats.md: what happens when each file of ../shared/data/edf is opened."""

from pathlib import Path

from ictal.core.montage import MONTAGES, derivations_of
from ictal.core.recording import Recording
from ictal.errors import IctalError
from ictal.io import open_recording
from ictal.preprocessing.channel_mapping import bipolar_mapping, referential_electrodes

PAGE = Path(__file__).with_name("formats.md")
FILES = PAGE.parents[2] / "shared" / "data" / "edf"
BEGIN, END = "<!-- table: made by docs/formats.py -->\n", "<!-- end of table -->"
HEAD = "| file | channels | found | Hz | seconds | gaps | messages of the reader |\n|---|---|---|---|---|---|---|\n"


def found(recording: Recording) -> str:
    bipolar = bipolar_mapping(recording)
    derivations = [pair for pair in derivations_of(MONTAGES["double_banana"]) if bipolar and bipolar.forms(pair)]
    electrodes = referential_electrodes(recording)
    return f"{len(derivations)} of 18 derivations" if derivations else f"{len(electrodes)} of 19 electrodes"


def row(path: Path) -> str:
    try:
        made = open_recording(path)
        cells = (len(made.channels), found(made), f"{made.rate_hz:g}", f"{made.duration_s:g}", len(made.gaps))
        says = "; ".join(made.notes)
    except IctalError as error:
        cells, says = ("–",) * 5, f"refused: {str(error).removeprefix(f'{path}: ')}"
    return "| " + " | ".join(map(str, (path.name, *cells, says))) + " |\n"


def table() -> str:
    return HEAD + "".join(row(path) for path in sorted(FILES.iterdir()))


def main() -> None:
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.split(END)[1], encoding="utf-8")


if __name__ == "__main__":
    main()
