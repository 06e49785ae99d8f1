"""The hostile fleet: servers that do what a broken or ill-meaning world does to a scanner, by name.

One module for each class of misbehaviour, a row for each server: what it does, and what a right scanner
reports. `fleet` has them all.
"""
