"""References of TUSZ, CHB-MIT and Siena, as their files look."""

import pytest

from ictal.errors import TableError
from ictal.scoring.reference_events import read_reference, read_references
from tests.scoring.test_reference_events import seizures

TUSZ = """# version = csv_v1.0.0
# bname = aaaaaaac_s001_t000
# duration = 301.00 secs
# montage_file = nedc_eas_default_montage.txt
#
channel,start_time,stop_time,label,confidence
FP1-F7,0.0000,36.8868,bckg,1.0000
FP1-F7,36.8868,183.3055,fnsz,1.0000
F7-T3,40.0000,190.5000,fnsz,1.0000
FP2-F8,200.0000,250.0000,gnsz,1.0000
FP2-F8,260.0000,261.0000,artf,1.0000
"""
CHB = """Data Sampling Rate: 256 Hz
*************************

Channels in EDF Files:
**********************
Channel 1: FP1-F7

File Name: chb01_02.edf
File Start Time: 12:42:57
File End Time: 13:42:57
Number of Seizures in File: 0

File Name: chb06_03.edf
File Start Time: 23:42:57
File End Time: 24:42:57
Number of Seizures in File: 2
Seizure 1 Start Time:             1467 seconds
Seizure 1 End Time: 1494 seconds
Seizure 2 Start Time: 2996 seconds
Seizure 2 End Time: 3036 seconds
"""
SIENA = """Sampling Rate of EEG Files: 512 Hz

Seizure n 1 (in yellow the corrections made)
File name: PN00-1.edf
Registration start time: 19.39.33
Registration end time:  20.22.58
Seizure start time: 19.58.36
Seizure end time: 19.59.46

Seizure n 2
File name: PN00-2.edf
Registration start time: 23:50:00
Registration end time: 00:20:00
Start time: 00:02:10
End time: 00:03:00
"""


def test_a_table_of_tusz_joins_the_channels_and_counts_what_is_no_pattern(tmp_path):
    path = tmp_path / "aaaaaaac_s001_t000.csv"
    path.write_text(TUSZ)
    made = read_reference(path)
    assert made.events == tuple(seizures((36.8868, 190.5), (200, 250)))
    assert (made.name, made.duration_s) == ("aaaaaaac_s001_t000", 301)
    assert (made.n_merged, made.n_ignored, made.ignored_types) == (1, 1, ("artf",))
    path.write_text(TUSZ.replace("250.0000", "x"))
    with pytest.raises(TableError, match="line 10: duration"):
        read_reference(path)


def test_a_folder_of_tusz(tmp_path):
    (tmp_path / "aaaaaaac_s001_t000.csv_bi").write_text(TUSZ.replace("FP1-F7", "TERM"))
    assert list(read_references(tmp_path)) == ["aaaaaaac_s001_t000"]


def test_a_summary_of_chb_mit(tmp_path):
    (tmp_path / "chb01-summary.txt").write_text(CHB)
    for path in (tmp_path, tmp_path / "chb01-summary.txt"):
        made = read_references(path)
        assert list(made) == ["chb01_02", "chb06_03"]
        assert made["chb01_02"].events == ()
        assert made["chb06_03"].events == tuple(seizures((1467, 1494), (2996, 3036)))
        assert [one.duration_s for one in made.values()] == [3600, 3600]


def test_a_list_of_siena_counts_from_the_start_of_the_registration(tmp_path):
    path = tmp_path / "Seizures-list-PN00.txt"
    path.write_text(SIENA)
    made = read_references(path)
    assert made["PN00-1"].events == tuple(seizures((1143, 1213)))
    assert made["PN00-2"].events == tuple(seizures((730, 780)))
    assert made["PN00-2"].duration_s == 1800


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nothing here", "names no file"),
        ("Seizure start time: 10 seconds", "line 1: '10 seconds' is before any file name"),
        ("File name: a.edf\nSeizure start time: soon", "line 2: 'soon' is not a time"),
        ("File name: a.edf\nSeizure start time: 10.00.00", "line 2: '10.00.00' is not a time"),
        ("File name: a.edf\nSeizure start time: 10 seconds", "a.edf: a seizure has a start but no end"),
        ("File name: a.edf\nStart time: 9 seconds\nEnd time: 8 seconds", "line 3: '8 seconds'"),
        (CHB.replace("3036", "4036"), "chb06_03.edf: seizure from 2996 to 4036 s, but the recording lasts 3600 s"),
    ],
)
def test_a_list_that_cannot_be_is_refused(tmp_path, text, told):
    path = tmp_path / "x-summary.txt"
    path.write_text(text)
    with pytest.raises(TableError) as caught:
        read_references(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
