"""Runs `lgsp` as `python -m lgsp.cli`."""

from lgsp.cli.main import main

if __name__ == "__main__":
    main()
