// SPDX-License-Identifier: MIT
// Included before every source of Lua: the places where luaconf.h lets the system speak.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define l_popen(L, command, mode) (fflush(NULL), popen(command, mode))
#define l_pclose(L, file) (pclose(file))
#define lua_stdin_is_tty() isatty(0)
#define LUA_PATH_DEFAULT "/lib/lua/?.lua;/lib/lua/?/init.lua;./?.lua;./?/init.lua"
#define LUA_CPATH_DEFAULT ""
