// SPDX-License-Identifier: MIT
// Included before every source of Lua: the places where luaconf.h lets the system speak.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define l_popen(L, command, mode) (fflush(NULL), popen(command, mode))
#define l_pclose(L, file)         (pclose(file))
#define LUA_TMPNAMBUFSIZE         32
#define lua_tmpnam(name, err) \
	do { \
		strcpy(name, "/tmp/lua_XXXXXX"); \
		err = mkstemp(name); \
		if (err != -1) \
			close(err); \
		err = (err == -1); \
	} while (0)
#define lua_stdin_is_tty() isatty(0)
#define LUA_PATH_DEFAULT   "/lib/lua/?.lua;/lib/lua/?/init.lua;./?.lua;./?/init.lua"
#define LUA_CPATH_DEFAULT  ""
