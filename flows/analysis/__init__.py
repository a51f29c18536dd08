"""The opportunity analysis: the executions that a flow run carries, and what their
answers come to.
"""
