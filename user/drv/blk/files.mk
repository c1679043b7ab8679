# blk: the driver of a virtio disk.
SERVERS += blk
blk_CORE := $(addprefix user/drv/blk/,clients.c io.c unit.c queue.c device.c)
blk_SRCS := $(blk_CORE) user/drv/blk/main.c
