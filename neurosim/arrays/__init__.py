"""Arrays and tensors: what may enter, random streams, files of them, state that is put back.

May import, of its neighbours: naming.
"""
