"""Operations, the platform's maintenance workflows: how they start, and the work behind their
steps.

Purpose: a folder a subject, whose functions a flow's step or a person at the command line calls.
Contract: work takes its section of the settings, returns figures, raises `NotConfigured` where
there is nothing to work on, and any other exception where it failed. It can be repeated: a step
that was interrupted runs again. Pitfalls: many runs share one event loop, so work on files goes
through `in_thread`.
"""
