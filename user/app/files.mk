# Small programs: one source each, plus what they share.
APPS := cat cp echo false grep head kill kmalloc ls mkdir mv pwd rm seq sleep sort tee time touch true wc
GLASSES := buddyinfo caps faults free maps migrate page ps ptdump selfcheck slabinfo uptime vmallocinfo vtop
MEMORIES := meminfo top vmstat zoneinfo
SWAPS := swapoff swapon
AUDITS := rmapaudit
PROGRAMS += $(APPS) $(GLASSES) $(MEMORIES) $(SWAPS) $(AUDITS) lua
$(foreach p,$(APPS),$(eval $(p)_SRCS := user/app/$(p).c user/app/app.c))
$(foreach p,$(GLASSES),$(eval $(p)_SRCS := user/app/$(p).c user/app/app.c user/app/glass.c))
$(foreach p,$(MEMORIES),$(eval $(p)_SRCS := user/app/$(p).c user/app/memory.c user/app/app.c user/app/glass.c))
$(foreach p,$(SWAPS),$(eval $(p)_SRCS := user/app/$(p).c user/app/swap.c user/app/app.c user/app/glass.c))
$(foreach p,$(AUDITS),$(eval $(p)_SRCS := user/app/$(p).c user/app/audit.c user/app/tables.c user/app/app.c user/app/glass.c))

# Lua 5.4, unmodified. What C alone cannot do (popen, a terminal) is told to it here.
LUA := $(THIRD_PARTY)/lua/src
lua_SRCS := $(addprefix $(LUA)/,lapi.c lauxlib.c lbaselib.c lcode.c lcorolib.c lctype.c ldblib.c ldebug.c ldo.c ldump.c lfunc.c \
	lgc.c linit.c liolib.c llex.c lmathlib.c lmem.c loadlib.c lobject.c lopcodes.c loslib.c lparser.c lstate.c lstring.c \
	lstrlib.c ltable.c ltablib.c ltm.c lua.c lundump.c lutf8lib.c lvm.c lzio.c)
LUA_CFLAGS := -w -include user/app/lua_config.h
$(foreach s,$(lua_SRCS),$(eval CFLAGS_$(s) := $$(LUA_CFLAGS)))
