"""Pages of docs/ that are generated from the code they describe.

Purpose: one function a page, which returns its Markdown; `orchestrator settings --markdown` prints
one, `make reference` writes all. Contract: the same code gives the same text, on any machine; a
test compares the files in docs/ with it. Pitfalls: nothing here reads the environment.
"""
