"""`imcprobe schema`: the JSON Schema of the records."""

from __future__ import annotations

from imcprobe.cli.exits import ExitCode
from imcprobe.cli.terminal import Terminal
from imcprobe.outputs.formats import pretty
from imcprobe.outputs.schema import json_schema


def schema() -> int:
    """Print the JSON Schema of the records."""
    Terminal().out(pretty(json_schema()))
    return ExitCode.OK
