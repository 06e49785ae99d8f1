"""Results -> text: one record type and one list of columns, from which every format is made.

`columns` declares the fields, `records` the JSON and `schema` its schema, `wording` the sentences; `table`,
`spreadsheet` and `screen` lay them out, `formats` is what `-f` and endings of files choose, `tally` counts.
"""
