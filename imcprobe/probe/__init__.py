"""The network: what goes out to the targets and what comes back, as observations.

`api` is the library's front, `scan` the command line's. `sweep` holds the greeting path, `slowlane` what
needs more than one look (`late` is one such connection), `goodbye` the QUITs, `session` the conversations
of aiosmtplib. `sockets` opens connections, `poller` waits for them in two ways, `resolve` looks up names,
`options` says how to probe; `outcomes` has the words for errnos, `limits` and `exhaustion` know what this
machine has.
"""
