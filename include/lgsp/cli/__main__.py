"""`python -m lgsp.cli`: the same as `lgsp`."""

from lgsp.cli.main import main

main()
