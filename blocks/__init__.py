"""The outside systems, each behind one port, and the operations on records that all processes
share.

Purpose: `contracts` (what is exchanged and stored), `ports` (what a bus, a store and a run engine
promise), `adapters` (those on real systems), and a room per subject: executions, approvals, jobs,
dead letters, webhooks, audit, … Contract: imports no sibling package; `contracts` and `ports`
import no SDK; a room imports only from those below it (`ROOMS` in
`tests/unit/project/test_architecture.py`). Pitfalls: importing Prefect takes 1.5 s, so only the
modules that talk to Prefect import it, never the CLI's first path.
"""
