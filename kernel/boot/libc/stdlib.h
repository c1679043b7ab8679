// SPDX-License-Identifier: MIT
// For libfdt, which includes this header and uses nothing of it.
#pragma once
