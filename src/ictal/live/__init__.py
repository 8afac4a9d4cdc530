"""Score EEG while it is being recorded: beds, announced events, alarms."""
