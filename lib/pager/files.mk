# What servers share: parked requests, state segments, rings.
SERVER_LIB_SRCS += lib/pager/park.c lib/pager/state.c lib/pager/ring.c lib/pager/channel.c
