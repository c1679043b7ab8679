# SPDX-License-Identifier: MIT
echo and so did this script
