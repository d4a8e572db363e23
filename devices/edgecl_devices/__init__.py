"""What is known about each kind of device: one TOML profile per device."""

from edgecl_devices.errors import DeviceProfileError, ProfileFormatError, UnknownProfileError
from edgecl_devices.profile import PRECISIONS, DeviceProfile, load_profile, profile_names

__all__ = [
    "PRECISIONS",
    "DeviceProfile",
    "DeviceProfileError",
    "ProfileFormatError",
    "UnknownProfileError",
    "load_profile",
    "profile_names",
]
