"""People in a browser, as tests need them: without scripts (`visitor`)."""
