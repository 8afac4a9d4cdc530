"""Run the command line with ``python -m ictal``."""

from ictal.cli import main

if __name__ == "__main__":
    main()
