"""Records as a terminal shows them: tables of many, pages of one."""
