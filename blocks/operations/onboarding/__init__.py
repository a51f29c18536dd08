"""New users: welcomed, and known to the services of the platform.

Purpose: a function for each step, for the `User` that `user_in` reads from a trigger. Contract:
each is done once for a user, whatever is repeated: its record is kept, and the services get the
same Idempotency-Key at every repetition. Pitfall: a user is known by the id; an event that states
only an e-mail address is about another user.
"""

from blocks.operations.onboarding.steps import assign_role as assign_role
from blocks.operations.onboarding.steps import create_workspace as create_workspace
from blocks.operations.onboarding.steps import send_welcome as send_welcome
from blocks.operations.onboarding.steps import setup_defaults as setup_defaults
from blocks.operations.onboarding.users import User as User
from blocks.operations.onboarding.users import user_in as user_in
