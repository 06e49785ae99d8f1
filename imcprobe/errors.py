"""What imcprobe raises. A remote host never causes one: what it does is data (`model.Status`).

ImcprobeError                    something the caller can mend; str() is one clear line
├── UsageError                   what was asked for makes no sense            (exit 2)
│   └── TargetError              text that is no target; says where and what next
├── InputError                   a file that cannot be read or understood      (exit 3)
├── OutputError                  a file that cannot be written                 (exit 3)
└── ReplyError                   bytes that are no SMTP reply (RFC 5321, 4.2)
"""

from __future__ import annotations


class ImcprobeError(Exception):
    """The base of all; `str()` is one line that says what, where and what next."""


class UsageError(ImcprobeError):
    """What was asked for makes no sense: an option, a range, a combination."""


class TargetError(UsageError):
    """Text that is no address, network, range or host name."""


class InputError(ImcprobeError):
    """A file that cannot be read or is not what it should be."""


class OutputError(ImcprobeError):
    """A file or stream that cannot be written."""


class ReplyError(ImcprobeError):
    """Bytes that cannot begin, continue or end an SMTP reply."""
