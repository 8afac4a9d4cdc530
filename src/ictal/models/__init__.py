"""The registry of arms, networks, and saved models; `arms` and `hub` do not need torch."""
