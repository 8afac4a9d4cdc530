"""Scoring a recording: quality, scores, events, burden, and how well events agree with a reference."""
