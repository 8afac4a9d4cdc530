"""The report of a run: figures, and one HTML page that stands alone."""
