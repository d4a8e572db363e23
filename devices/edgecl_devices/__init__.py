"""What is known about each kind of device: one TOML profile per device."""

from edgecl_devices.errors import (
    DeviceProfileError,
    ProfileFileError,
    ProfileFormatError,
    UnknownProfileError,
)
from edgecl_devices.profile import (
    BACKENDS,
    PRECISIONS,
    DeviceProfile,
    InstallLine,
    load_profile,
    profile_names,
)

__all__ = [
    "BACKENDS",
    "PRECISIONS",
    "DeviceProfile",
    "DeviceProfileError",
    "InstallLine",
    "ProfileFileError",
    "ProfileFormatError",
    "UnknownProfileError",
    "load_profile",
    "profile_names",
]
