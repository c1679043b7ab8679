# rmap: where a frame is mapped.
rmap_CORE := rmap.c tree.c lie.c
SERVERS += rmap
rmap_SRCS := $(addprefix user/pager/rmap/,main.c $(rmap_CORE))
