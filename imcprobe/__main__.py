"""`imcprobe`, and `python -m imcprobe`."""

import signal

# While all that is needed is loaded, Ctrl-C has nothing to end but the process.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from imcprobe.cli.app import main

if __name__ == "__main__":
    main()
