# reclaim: which page leaves memory, and swap.
reclaim_CORE := lists.c slots.c io.c swapin.c swapout.c look.c policy_two.c work.c area.c recover.c request.c
SERVERS += reclaim
reclaim_SRCS := $(addprefix user/pager/reclaim/,main.c $(reclaim_CORE))
