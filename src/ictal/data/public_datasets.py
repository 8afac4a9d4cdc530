"""Public data sets of EEG with seizures: where they are, under which licence, and how ictal uses them.

Addresses, sizes and licences are those that the publishers state; sizes are rounded.
"""

from dataclasses import dataclass
from typing import Literal

from ictal.errors import UnknownNameError

Listing = Literal["sums", "zenodo"]
"""How a publisher lists files: a file of checksums beside them, or a record of Zenodo's API."""
SUMS_FILE = {"sums": "SHA256SUMS.txt", "zenodo": "MD5SUMS.txt"}
"""The file of checksums in a fetched folder, as sha256sum and md5sum read it."""


@dataclass(frozen=True)
class PublicDataset:
    """A data set.

    Attributes
    ----------
    name
        What `ictal fetch` calls it.
    title, content
        Its own name, and what is in it.
    page
        Where people read about it.
    licence, licence_page
        Name of its licence, and the text.
    citation
        What its authors ask to be cited.
    n_bytes
        Total size, rounded.
    base
        Address of the folder with its files, which ends in '/', or of its record; empty if it cannot be downloaded
        without an agreement.
    listing
        See `Listing`.
    usage
        Commands and remarks for the time after the download, in which '{folder}' stands for the folder; or how to
        get it, if `base` is empty.
    """

    name: str
    title: str
    content: str
    page: str
    licence: str
    licence_page: str
    citation: str
    n_bytes: int
    base: str = ""
    listing: Listing = "sums"
    usage: tuple[str, ...] = ()


_PHYSIONET = "Goldberger et al. (2000). PhysioBank, PhysioToolkit, and PhysioNet. Circulation 101(23):e215-e220."
_CC_BY = "https://creativecommons.org/licenses/by/4.0/"
_TUH_PAGE = "https://isip.piconepress.com/projects/nedc/html/tuh_eeg/"

_DATASETS = (
    PublicDataset(
        "chb-mit",
        "CHB-MIT Scalp EEG Database 1.0.0",
        "844 h of EEG of 22 children with epilepsy, with 182 seizures (EDF, bipolar, 256 Hz)",
        "https://physionet.org/content/chbmit/1.0.0/",
        "Open Data Commons Attribution License 1.0",
        "https://physionet.org/content/chbmit/view-license/1.0.0/",
        f"Guttag (2010). CHB-MIT Scalp EEG Database 1.0.0. PhysioNet. doi:10.13026/C2K01R. {_PHYSIONET}",
        42_600_000_000,
        "https://physionet.org/files/chbmit/1.0.0/",
        usage=(
            "ictal score {folder}/chb01/*.edf --out scored",
            "ictal evaluate-events scored {folder}/chb01",
        ),
    ),
    PublicDataset(
        "siena",
        "Siena Scalp EEG Database 1.0.0",
        "128 h of EEG of 14 adults with epilepsy, with 47 seizures (EDF, referential, 512 Hz)",
        "https://physionet.org/content/siena-scalp-eeg/1.0.0/",
        "Creative Commons Attribution 4.0",
        "https://physionet.org/content/siena-scalp-eeg/view-license/1.0.0/",
        "Detti (2020). Siena Scalp EEG Database 1.0.0. PhysioNet. doi:10.13026/5d4a-j060. Detti et al. (2020). "
        f"Processes 8(7):846. doi:10.3390/pr8070846. {_PHYSIONET}",
        20_300_000_000,
        "https://physionet.org/files/siena-scalp-eeg/1.0.0/",
        usage=(
            "ictal score {folder}/PN00/*.edf --out scored",
            "ictal evaluate-events scored {folder}/PN00",
        ),
    ),
    PublicDataset(
        "helsinki",
        "Neonatal EEG recordings with seizure annotations, Helsinki",
        "EEG of 79 newborns in intensive care, each second judged by three experts (EDF, referential, 256 Hz)",
        "https://zenodo.org/records/4940267",
        "Creative Commons Attribution 4.0",
        _CC_BY,
        "Stevenson, Tapani, Lauronen, Vanhatalo (2019). A dataset of neonatal EEG recordings with seizure "
        "annotations. Scientific Data 6:190039. doi:10.1038/sdata.2019.39. Data: doi:10.5281/zenodo.4940267.",
        4_000_000_000,
        "https://zenodo.org/api/records/4940267",
        "zenodo",
        usage=(
            "ictal score-archive {folder} --out scored",
            "No model that ships with ictal was trained on newborns. 'ictal evaluate-events' does not read the",
            "experts' tables (a column per newborn, a row per second).",
        ),
    ),
    PublicDataset(
        "tusz",
        "TUH EEG Seizure Corpus",
        "about 1,470 h of clinical EEG with seizures (EDF, referential)",
        _TUH_PAGE,
        "Agreement with Temple University",
        _TUH_PAGE,
        "Shah et al. (2018). The Temple University Hospital Seizure Detection Corpus. Frontiers in Neuroinformatics "
        "12:83. doi:10.3389/fninf.2018.00083.",
        80_000_000_000,
        usage=(
            f"1. Fill in and send the form on {_TUH_PAGE}",
            "2. Wait for the mail with your user name, and download the corpus with rsync as it says",
            "3. ictal score-archive tusz --out scored; 'ictal evaluate-events' reads its tables (.csv_bi)",
        ),
    ),
    PublicDataset(
        "hms",
        "HMS - Harmful Brain Activity Classification",
        "106,800 windows of critical-care EEG with the votes of experts on six patterns (Parquet, 200 Hz)",
        "https://www.kaggle.com/competitions/hms-harmful-brain-activity-classification",
        "Rules of the competition, CC BY-NC 4.0",
        "https://www.kaggle.com/competitions/hms-harmful-brain-activity-classification/rules",
        "Jing et al. (2024). HMS - Harmful Brain Activity Classification. Kaggle.",
        26_400_000_000,
        usage=(
            "1. Sign in to Kaggle, and accept the rules on the page of the competition",
            "2. kaggle competitions download -c hms-harmful-brain-activity-classification",
            "3. Unpack it into data/hms; 'ictal ablate data/hms' and 'ictal train data/hms' read it as it is",
        ),
    ),
)
DATASETS = {one.name: one for one in _DATASETS}
"""Data sets by name."""


def find_dataset(name: str) -> PublicDataset:
    """Return a data set by its name.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists those that there are.
    """
    if name not in DATASETS:
        raise UnknownNameError("data set", name, DATASETS)
    return DATASETS[name]
