"""Stored evidence -> observations, judged like fresh ones from there on."""
