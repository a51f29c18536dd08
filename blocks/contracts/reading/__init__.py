"""How foreign input is read: one spelling of ids, moments and numbers, and bounds on
each of them.
"""
