# slab: caches of small objects for processes. The protocol: lib/abi/56-slab.idl; docs/slab.md.
slab_CORE := $(addprefix user/pager/slab/,ops.c cache.c slabs.c lists.c client.c share.c wait.c record.c)
SERVERS += slab
slab_SRCS := user/pager/slab/main.c user/pager/slab/frames.c $(slab_CORE) lib/slab/layout.c
