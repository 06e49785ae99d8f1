"""Optional libraries: asked for where an option needs one, and told of by the extra that brings it."""

from __future__ import annotations

from importlib import import_module

from imcprobe.errors import UsageError


def require_extra(option: str, module: str, extra: str) -> None:
    """Load a module that only `option` needs. Raises UsageError that says which extra to install.

    >>> require_extra("--mx", "dns_of_nobody", "dns")
    Traceback (most recent call last):
      ...
    imcprobe.errors.UsageError: --mx needs the "dns" extra: pip install 'imcprobe[dns]'
    """
    try:
        import_module(module)
    except ImportError as error:
        raise UsageError(f"{option} needs the \"{extra}\" extra: pip install 'imcprobe[{extra}]'") from error
