"""The audit of any torch model: what of its brain score is learning. Its door: ``neurosim.audit``.

May import, of its neighbours: audit, audit_page, data, results.
"""
