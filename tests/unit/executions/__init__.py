"""The lifecycle of an execution: claims, answers, cancelling, retries."""
