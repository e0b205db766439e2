"""Settings: dataclasses from the command line, YAML and TOML; what one comparison is.

May import, of its neighbours: none.
"""
