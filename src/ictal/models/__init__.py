"""Networks, the registry of arms, and saved models; `hub` finds and describes saved models without torch."""
