# init: a flat image, the first file of the boot archive; the kernel maps it where it lies.
SERVERS += init
init_FLAT := yes
init_LDSCRIPT := user/init/init.ld
init_SRCS := user/init/head.S user/rt/arch/$(ARCH)/init.S user/init/main.c user/init/manifest.c user/init/resolve.c user/init/graph.c user/init/archive.c \
	user/init/memory.c user/init/state.c user/init/pool.c user/init/server.c user/init/serve.c user/init/fatal.c user/init/areas.c
GUEST_FILES += user/boot.manifest:/etc/boot.manifest
