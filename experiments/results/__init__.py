"""The tidy table of results, and numbers as they are shown.

May import, of its neighbours: none.
"""
