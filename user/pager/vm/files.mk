# vm: processes and their address spaces.
vm_CORE := record.c vma.c map.c range.c mremap.c shared.c magazine.c objects.c life.c attach.c proc.c fork.c exec.c fault.c oom.c swap.c wait.c look.c migrate.c request.c
SERVERS += vm
vm_SRCS := $(addprefix user/pager/vm/,main.c $(vm_CORE))
