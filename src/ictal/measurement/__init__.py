"""Numbers of the EEG itself: rate, place and shape of a pattern, and the background."""
