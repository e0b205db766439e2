"""What the pipeline of Leutenegger 2026 (arXiv 2605.30556) computes, part by part.

Nothing outside this package and the profile that asks for it imports these modules: the
reference rules do not know that they exist. docs/published.md says what each part is.

May import, of its neighbours: network, rules.
"""
