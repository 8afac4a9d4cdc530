"""De-identification: remove what identifies a patient from EDF and BDF files, and from the results of ictal."""
