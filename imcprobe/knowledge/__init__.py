"""Tables, nothing else: typed literals, one row a line, sorted, each row with its source.

Article numbers (Q257618) are those of the Microsoft Knowledge Base.
"""
