# The slab server's core against a model; its client (user/rt/src/kmem.c) against the core.
HOST_TESTS += slab
slab_test_SRCS := test/host/slab/slab_test.c test/host/slab/world.c lib/pager/state.c lib/pager/park.c lib/slab/layout.c $(slab_CORE)
slab_test_CFLAGS := -Itest/host/slab/fake
slab_test_LIBS := -Wl,--wrap=state_commit
HOST_TESTS += kmem
kmem_test_SRCS := test/host/slab/kmem_test.c test/host/slab/world.c lib/pager/state.c lib/pager/park.c lib/slab/layout.c lib/slab/slab.c user/rt/src/kmem.c \
	user/rt/src/kmem_check.c $(slab_CORE)
kmem_test_CFLAGS := -Itest/host/slab/fake -Iuser/rt/include -Dwrite=fake_write
kmem_test_LIBS := -Wl,--wrap=state_commit
