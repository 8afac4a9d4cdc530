"""Tests of the readers."""  # noqa: A005 - it mirrors ictal.io
