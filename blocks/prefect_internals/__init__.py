"""The fence: every private or undocumented part of Prefect that this product relies on.

Purpose: an upgrade of Prefect breaks here, in a test that names the assumption, and not in
production. Contract: no other module imports or patches a private name of Prefect. What cannot move
here, the private members that subclasses override or use, stands here as a table of `Member`s. Each
assumption has a test in `tests/unit/prefect_internals`; docs/prefect-upgrade.md lists them.
Pitfalls: import the module of one subject, and inside a function where start-up time counts:
`engine` and `server` load most of Prefect.
"""
