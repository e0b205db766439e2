"""Names and text of objects: registries, things with settings read and written, a user's own files.

May import, of its neighbours: none.
"""
