"""The actions on an execution, one function each for every caller: start, rerun, cancel, retry,
fail.
"""
