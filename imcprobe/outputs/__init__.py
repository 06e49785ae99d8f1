"""Results -> text: one record type and one list of columns, from which every format is made.

`columns` declares the fields, `records` the JSON, `wording` the sentences, `formats` what `-f` and
the endings of files choose; `tally` counts.
"""
