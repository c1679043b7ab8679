// SPDX-License-Identifier: MIT
// From a path to a node. "." and ".." are understood, there are no symbolic links, and the root is its own parent.
#include "files.h"

#include <lib/base/string.h>

static u32 component_find(u32 dir, const char *name, u32 len)
{
	if (len == 1 && name[0] == '.')
		return dir;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		return node_at(dir)->parent;
	return node_child(dir, name, len);
}

// Fills in dir, node, name. Only the last component may be missing. NOENT, NOTDIR, NAMETOOLONG.
err_t path_find(u32 cwd, struct path *p)
{
	const char *s = p->text;

	if (!*s)
		return -ERR_NOENT;
	p->dir = p->node = *s == '/' ? NODE_ROOT : cwd;
	p->name = "";
	p->name_len = 0;
	p->must_dir = false;
	for (;;) {
		const char *end;

		while (*s == '/')
			s++;
		if (!*s)
			break;
		if (!p->node)
			return -ERR_NOENT;
		if (node_at(p->node)->kind != FD_DIR)
			return -ERR_NOTDIR;
		if (!node_at(p->node)->linked)
			return -ERR_NOENT; // a directory that was removed has no entries, not even ..
		for (end = s; *end && *end != '/';)
			end++;
		if (end - s >= NAME_BYTES)
			return -ERR_NAMETOOLONG;
		p->dir = p->node;
		p->name = s;
		p->name_len = (u32)(end - s);
		p->must_dir = *end == '/';
		p->node = component_find(p->dir, s, p->name_len);
		s = end;
	}
	if (p->node && p->must_dir && node_at(p->node)->kind != FD_DIR)
		return -ERR_NOTDIR;
	return 0;
}

err_t path_existing(u32 cwd, struct path *p)
{
	err_t err = path_find(cwd, p);

	if (!err && !p->node)
		err = -ERR_NOENT;
	return err;
}
