# SPDX-License-Identifier: LGPL-2.1-or-later
# A text file as one C string literal: sed -f embed.sed FILE
s/[\\"]/\\&/g
s/.*/"&\\n"/
