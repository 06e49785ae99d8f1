"""The network: what goes out to the targets and what comes back, as observations.

`scan` is the front; `sweep` holds the greeting path, `session` the conversations of aiosmtplib,
`resolve` the names, `poller` the two ways of waiting for sockets, `outcomes` the words for errnos.
"""
