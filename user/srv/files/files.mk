# files: names, descriptors, the boot archive, RAM files and pipes.
SERVERS += files
files_CORE := $(addprefix user/srv/files/,names.c path.c ramfile.c fd.c snapshot.c pipe.c ops.c io.c)
files_SRCS := $(files_CORE) user/srv/files/main.c user/srv/files/store.c user/srv/files/buffer.c
