# The ELF parser of init and vm.
HOST_TESTS += elf
elf_test_SRCS := test/host/elf/elf_test.c lib/elf/elf.c
