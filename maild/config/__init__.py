"""From a file and the environment to Settings, and to the first file; ConfigError is all that it raises."""

from maild.config.initial import write_initial
from maild.config.loading import FILE_NAME, SYSTEM_CONFIG, find_config, load
from maild.config.problem import ConfigError
from maild.config.secret import read_secret

__all__ = [
    "FILE_NAME",
    "SYSTEM_CONFIG",
    "ConfigError",
    "find_config",
    "load",
    "read_secret",
    "write_initial",
]
