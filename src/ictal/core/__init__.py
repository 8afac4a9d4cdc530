"""Types that the whole package uses: patterns, electrodes, recordings, windows and predictions."""
