"""An approval in Prefect's own UI: the form of the suspended run, and the answer typed there.

Purpose: `question` is what the person reads, `form` what is to be filled in, `answer` what came
back. Contract: what the form checks is a convenience; an answer counts by the same function as
through any other channel. Pitfalls: Prefect's server checks the form with a library whose patterns
have no bound, so no pattern of a tenant reaches it; it shows Markdown, so text from outside is
escaped.
"""
