"""From one recording to an archive: plan, score on many workers, keep account, ask."""
