"""Requests from the sample's clients: a few, one after the other, many thousand, and what each of them got."""
