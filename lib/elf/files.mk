# Executables, for init (servers) and vm (programs).
SERVER_LIB_SRCS += lib/elf/elf.c
