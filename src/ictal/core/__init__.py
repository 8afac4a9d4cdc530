"""The types and rules that the whole package uses: patterns, electrodes, recordings, windows, predictions."""
