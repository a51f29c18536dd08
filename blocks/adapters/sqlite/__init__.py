"""The embedded parts: a bus and a store, each in one SQLite file, with the same promises as the
real ones.

Purpose: one laptop, one command, nothing to install; several processes of one machine share the
files. Contract: what was awaited is on disk; a consumer that dies gives its messages back when its
lease runs out. Pitfalls: all work on a file goes through one thread (`file`), which commits many
units of work together.
"""
