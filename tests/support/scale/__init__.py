"""What stands for a whole installation: compose.yaml on a Docker engine, and several Prefect
servers.
"""
