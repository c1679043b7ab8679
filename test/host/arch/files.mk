# SPDX-License-Identifier: MIT
# Page tables and TLBs on the host's fake architecture; once more with RISC-V's entries and with x86_64's.
PT_TEST_MM := $(wildcard mm/*.c)
HOST_TESTS += pt pt_random pt_riscv pt_x86 tlb
pt_test_SRCS := test/host/mm/pt_test.c test/host/mm/machine.c $(PT_TEST_MM)
pt_random_test_SRCS := test/host/mm/pt_random.c test/host/mm/pt_oracle.c test/host/mm/machine.c $(PT_TEST_MM)
pt_riscv_test_SRCS := $(pt_random_test_SRCS)
pt_x86_test_SRCS := $(pt_random_test_SRCS)
tlb_test_SRCS := test/host/arch/tlb_test.c $(PT_TEST_MM)
pt_test_CFLAGS := -Itest/host/arch
pt_random_test_CFLAGS := -Itest/host/arch
pt_riscv_test_CFLAGS := -Itest/host/arch -DHOST_PTE_RISCV
pt_x86_test_CFLAGS := -Itest/host/arch -DHOST_PTE_X86
tlb_test_CFLAGS := -Itest/host/arch
tlb_test_LIBS := -lpthread
