"""The outside world, each system behind one door, and the words we share with it.

Purpose: `contracts` (what is said and stored), `ports` (what a bus, a store and a run engine promise), one adapter
per outside system, and the few operations on records that every process shares (`executions`).
Contract: imports no sibling package; `contracts` and `ports` import no SDK.
Pitfalls: importing Prefect takes 1.5 s, so only the modules that talk to Prefect import it, never the CLI's first path.
"""
