"""One of several servers is gone: what the others and the proxy before them make of it."""
