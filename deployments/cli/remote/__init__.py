"""What commands ask of the API, with `--api`: a module for each subject, a function for each
function of the store's side, with the same arguments and the same answer.

Contract: answers are decoded into the API's own documents, which the store's side makes by the
API's own functions; `deployments.cli.over_http.answered` pairs the two, and the type checker holds
them to one signature.
"""
