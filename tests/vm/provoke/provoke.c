// A module that oopses as it is loaded: Debian's kernels have no LKDTM to provoke a crash with.
// SPDX-License-Identifier: MIT
#include <linux/init.h>
#include <linux/module.h>

static int *nowhere;

static int __init provoke_init(void)
{
	WRITE_ONCE(*nowhere, 0);
	return 0;
}

module_init(provoke_init);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("oopses as it is loaded");
