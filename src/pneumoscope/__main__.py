"""``python -m pneumoscope`` is the command line."""

from pneumoscope.cli import main

main()
