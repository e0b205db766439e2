"""The page of an audit, of a model and of a run alike: a picture, three sentences, every verdict.

May import, of its neighbours: audit, figures, results.
"""
