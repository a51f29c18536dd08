"""The Prefect worker type `in-process`: many async flow runs in one warm process.

Purpose: same deployments, UI, cancel, suspend and resume as any worker, without an interpreter per
run. Contract: Prefect finds it through the entry point group `prefect.collections`; flows are async
and never block. Pitfalls: it overrides private methods of Prefect's worker and engine, so Prefect's
version is pinned exactly; `blocks/prefect_internals` lists them.
"""
