"""Archives of many recordings: find them, score them on many workers, keep a ledger, run queries."""
