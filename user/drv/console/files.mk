# console: the 16550 terminal driver.
SERVERS += console
console_CORE := user/drv/console/line.c user/drv/console/output.c
console_SRCS := $(console_CORE) user/drv/console/main.c user/drv/console/uart.c
