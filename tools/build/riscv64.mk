# What the build must know of riscv64. Another architecture is another file here, its folder under arch/, and its section in tools/run/machine.py.
ARCH_DIR := arch/riscv
CROSS := riscv64-unknown-elf-

# isa-spec 2.2: newer gcc would reject csrr and fence.i in rv64imac, and rv64imac_zicsr selects the wrong libgcc.
KERNEL_ARCH_CFLAGS := -misa-spec=2.2 -march=rv64imac -mabi=lp64 -mcmodel=medany
SERVER_ARCH_CFLAGS := -misa-spec=2.2 -march=rv64imac -mabi=lp64 -mcmodel=medany
PROGRAM_ARCH_CFLAGS := -misa-spec=2.2 -march=rv64gc -mabi=lp64d -mcmodel=medany --specs=picolibc.specs
