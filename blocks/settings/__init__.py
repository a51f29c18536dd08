"""What an operator can set, from defaults, a file, Prefect's blocks and the environment.

Purpose: `load_settings` makes the frozen `Settings` of a process (`sections`); each part of the
system takes its own section as an argument and reads no environment. Contract: what cannot be used
raises `BadSetting` with one line that names the setting, its variable and what to do; a key or
a variable that is none is refused with the nearest name; what a configuration file of the older
orchestrator has that sets nothing is in `Settings.notes`. Secrets never show in a section's
`repr`. Pitfalls: a new variable goes into `default.yaml` and
`deployments/docker/compose.yaml`.
"""

from blocks.settings.environment.names import DEFAULTS as DEFAULTS
from blocks.settings.environment.names import variables as variables
from blocks.settings.loading import load_settings as load_settings
from blocks.settings.sections import Auth as Auth
from blocks.settings.sections import BadSetting as BadSetting
from blocks.settings.sections import BatchJobs as BatchJobs
from blocks.settings.sections import Claims as Claims
from blocks.settings.sections import Dispatch as Dispatch
from blocks.settings.sections import DockerRuns as DockerRuns
from blocks.settings.sections import Live as Live
from blocks.settings.sections import Module as Module
from blocks.settings.sections import Note as Note
from blocks.settings.sections import Notifications as Notifications
from blocks.settings.sections import Prefect as Prefect
from blocks.settings.sections import RabbitMQ as RabbitMQ
from blocks.settings.sections import Server as Server
from blocks.settings.sections import Services as Services
from blocks.settings.sections import Settings as Settings
from blocks.settings.sections import Simulators as Simulators
from blocks.settings.sections import Tracing as Tracing
