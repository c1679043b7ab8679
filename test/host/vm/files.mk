# vm's core and the library of the servers on a fake kernel.
HOST_TESTS += vm
vm_test_SRCS := test/host/vm/vm_test.c $(addprefix test/host/vm/model,.c _ops.c) $(addprefix test/host/vm/fake,.c _frame.c _object.c _swap.c _vmalloc.c) lib/pager/state.c lib/pager/ring.c lib/pager/channel.c lib/elf/elf.c \
	$(addprefix user/pager/vm/,record.c vma.c map.c range.c mremap.c shared.c magazine.c objects.c life.c attach.c proc.c fork.c exec.c fault.c oom.c swap.c wait.c look.c migrate.c request.c)
vm_test_CFLAGS := -Itest/host/vm/fake
