# SPDX-License-Identifier: LGPL-2.1-or-later
# SWIG's Python half. It is imported for its effect: the records learn how they are freed.
