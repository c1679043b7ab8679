HOST_TESTS += malloc sh
malloc_test_SRCS := test/host/rt/malloc_test.c user/rt/src/malloc.c lib/slab/arena.c lib/slab/extent.c lib/slab/slab.c
# The same source as on the target, under names of its own.
malloc_test_CFLAGS := $(foreach f,malloc free calloc realloc memalign aligned_alloc valloc posix_memalign malloc_usable_size malloc_trim,\
	-D$(f)=rt_$(f))
sh_test_SRCS := test/host/rt/sh_test.c $(addprefix user/app/sh/,parse.c expand.c edit.c)
