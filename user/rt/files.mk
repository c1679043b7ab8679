# The runtime of programs under picolibc. tools/jjok cc links a user's program with the same crt0.o, librt.a and program.ld.
RT_SRCS += $(addprefix user/rt/src/,command.c console.c dir.c err.c errno.c exec.c fd.c file.c kmem.c kmem_check.c malloc.c malloc_os.c mem.c mman.c path.c \
	process.c signal.c spawn.c start.c stdio.c time.c unistd.c vmalloc.c) lib/slab/arena.c lib/slab/extent.c lib/slab/layout.c lib/slab/slab.c
RT_CRT0_SRC := user/rt/arch/$(ARCH)/crt0.S
PROGRAM_LDSCRIPT := user/rt/program.ld
# gcc would turn malloc + memset into calloc, which is this very function.
CFLAGS_user/rt/src/malloc.c := -fno-builtin-malloc
CFLAGS_user/rt/src/mem.c := -fno-tree-loop-distribute-patterns
