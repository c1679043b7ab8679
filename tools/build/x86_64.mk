# What the build must know of x86_64. The compiler is Debian's for Linux on this CPU, so all that it assumes about Linux is taken back.
ARCH_DIR := arch/x86_64
CROSS := x86_64-linux-gnu-

X86_64_PLAIN := -m64 -march=x86-64 -mno-red-zone -fno-pic -no-pie -fcf-protection=none -fno-asynchronous-unwind-tables
KERNEL_ARCH_CFLAGS := $(X86_64_PLAIN) -mgeneral-regs-only -mcmodel=kernel
SERVER_ARCH_CFLAGS := $(X86_64_PLAIN) -mgeneral-regs-only
# picolibc of build/third_party (tools/setup/x86_64.sh) in place of the compiler's own C library.
PICOLIBC := build/third_party/picolibc-x86_64
PROGRAM_ARCH_CFLAGS := $(X86_64_PLAIN) -ftls-model=local-exec -fno-stack-protector -U__linux__ -U__gnu_linux__ -Ulinux -U__linux \
	-nostdinc -isystem $(PICOLIBC)/include -isystem $(shell $(CROSS)gcc -print-file-name=include 2>/dev/null)
PROGRAM_ARCH_LIBS := -L$(PICOLIBC)/lib
