"""The version, as a constant: to ask for that of an installed package costs more than to start."""

__version__ = "0.1.0"
