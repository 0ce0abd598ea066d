# SPDX-License-Identifier: LGPL-2.1-or-later
# The library's own calls and numbers, made by SWIG from the headers: bindings/python.i says how a
# call looks here. Checkers see no types; whatever comes from here gets one where it arrives.
from typing import Any

def __getattr__(name: str) -> Any: ...
