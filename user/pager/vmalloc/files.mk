# vmalloc: contiguous addresses from scattered frames.
vmalloc_CORE := $(addprefix user/pager/vmalloc/,span.c area.c purge.c pages.c client.c request.c)
SERVERS += vmalloc
vmalloc_SRCS := user/pager/vmalloc/main.c $(vmalloc_CORE)
