"""How people are notified of what the platform's own workflows found or did.

Purpose: `notify`, through the communications hub or a mail server. Contract: what is sent under one
key is sent once, however often and by however many processes it is asked for: a record is created
first. A problem that stands is repeated after a while, and its all-clear is sent once. Pitfalls: a
process that dies between the sending and the record leaves it to the next one, which sends it again
under the same message id: a mailbox or a hub that looks at ids shows it once.
"""

from blocks.notifications.message import Channel as Channel
from blocks.notifications.message import Message as Message
from blocks.notifications.notifier import Kind as Kind
from blocks.notifications.notifier import Sent as Sent
from blocks.notifications.notifier import Withheld as Withheld
from blocks.notifications.notifier import notify as notify
from blocks.notifications.transports import NotDelivered as NotDelivered
