"""Pages for people in a browser, rendered on the server; docs/pages.md.

An area of the pages is a package with its routes; its templates lie in `templates/<area>`. A page
calls the same functions as the API's route about the same thing, under the same name in the tables
of roles (`api.access.permissions`) and of audited acts (`api.audit.acts`).
"""
