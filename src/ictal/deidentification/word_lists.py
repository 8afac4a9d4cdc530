"""Lists of words for the search of identifiers, all folded as by `ictal.deidentification.text_patterns.fold`."""

_PLACEHOLDERS = """
x xx xxx no none name unknown anonymous anonym anon anonymized anonymised deidentified patient pat subject test
null n a na noname mr mrs ms dr prof jr sr
"""
_PARTICLES = """
van von der den dem des de da do dos das di del della du la le el al bin ibn zu zur ter
"""
_COMMON = """
eeg ecg ekg emg eog ltm icu nicu picu iccu cceeg veeg vem psg ieeg seeg ecog meg edf bdf mrn id ssn dob age sex
male female kg cm years record recording records recorded study exam examination session baseline routine sleep
awake wake night day morning evening hour hours part piece file data dataset set new old merged demo example lab
laboratory hospital clinic center centre university department unit ward room bed technician tech nurse doctor
physician from to of and the with without for in on at by start startdate stop end begin seizure seizures onset
offset event events eye eyes open opened close closed photic stimulation hyperventilation hv artifact artefact
muscle movement left right bilateral frontal temporal central occipital parietal eeg1 raw clip export exported
exporter converted signal signals monitoring video normal abnormal generalized focal rhythmic periodic delta
theta alpha beta gamma spike spikes sharp wave waves burst suppression coma sedated propofol arm leg hand head
face rest task control reference ref electrode electrodes channel channels impedance calibration montage scored
scores annotated ictal interictal postictal natus nihon kohden micromed nicolet xltek persyst compumedics
neuroworks simulated patients number date time
sz szs lpd lpds gpd gpds bipd bipds rda lrda grda lvfa ied ieds iic birds pdr sss avg raw fif
"""
_MONTH_NAMES = """
jan january januar janvier enero gennaio janeiro januari feb february februar fevrier febrero febbraio fevereiro
februari mar march marz mrz mars marzo marco mart apr april avril abril aprile may mai mayo maggio maio mei jun
june juni juin junio giugno junho jul july juli juillet julio luglio julho aug august aout agosto augustus sep
sept september septembre septiembre settembre setembro oct october okt oktober octobre octubre ottobre outubro
nov november novembre noviembre novembro dec december dez dezember decembre dic diciembre dicembre dezembro
maj marts augusti desember
"""

PLACEHOLDERS = frozenset(_PLACEHOLDERS.split())
"""Words that stand for no name, and titles."""
NAMES_TOO = frozenset({"no", "na", "name", "none", "test", "pat", "anon"})
"""Placeholders that are names where another name stands beside them."""
GENERATIONS = frozenset({"jr", "sr"})
"""Placeholders that tell a father from his son."""
PARTICLES = frozenset(_PARTICLES.split())
"""Parts of names that are common words and identify nobody alone."""
COMMON = frozenset(_COMMON.split())
"""Words of EEG and of file names: not searched for where a text is free, since annotations consist of them."""
MONTH_NAMES = frozenset(_MONTH_NAMES.split())
"""Names of months in several languages, folded."""
