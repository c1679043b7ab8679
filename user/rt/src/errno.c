// SPDX-License-Identifier: MIT
#include <abi/abi_errno.h>

#include "rt.h"

int rt_fail(err_t err)
{
	errno = err_errno(err);
	return -1;
}
