# What servers link instead of picolibc: start code, log, panic, and the freestanding functions of lib/base.
SERVER_LDSCRIPT := user/server/server.ld
SERVER_LIB_SRCS += user/rt/arch/$(ARCH)/server.S user/server/log.c user/server/panic.c
