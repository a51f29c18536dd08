"""Pages of docs/ that are generated from the code they describe.

Purpose: one function a page, which returns its Markdown; `pages` has them all, `make reference`
writes them. Contract: the same code gives the same text, on any machine; a test compares the files
in docs/ with it. Pitfalls: nothing here reads the environment.
"""
