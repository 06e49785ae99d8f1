"""Pure reasoning: from the bytes that a server said to what they mean.

`reply` reads SMTP replies, `greeting` finds the product in a greeting's text, `builds` the release
of a build, `identify` puts them together; `expect` holds the conditions that a user may set.
"""
