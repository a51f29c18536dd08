"""The variables of the environment: their names, their meanings, and those that name a file.

Purpose: `names` has every variable from which a setting is read, `secret_files` reads secrets from
files, `unknown` refuses a name that was probably mistyped, `table` describes every setting.
Pitfalls: what Prefect and OpenTelemetry read by themselves keeps their names and rules.
"""
