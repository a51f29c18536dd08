"""People in a browser, as tests need them: without scripts (`visitor`), in Chromium (`browser`);
and a tenant with something on every page (`furnished`).
"""
