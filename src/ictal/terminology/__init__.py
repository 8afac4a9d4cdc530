"""The terms of the ACNS for patterns and background: what was measured, in the words of an EEG report."""
