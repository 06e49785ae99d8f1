"""`python -m imcprobe`."""

from imcprobe.cli.app import main

main()
