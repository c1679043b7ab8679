# Demos: their result is checked; each ends with OK and status 0, or FAILED and 1.
PROGRAMS += forkshare
forkshare_SRCS := user/demo/forkshare.c user/app/app.c user/app/glass.c
forkshare_DEST := /demo/forkshare
PROGRAMS += paged
paged_SRCS := user/demo/paged.c user/app/memory.c user/app/app.c user/app/glass.c
paged_DEST := /demo/paged
GUEST_FILES += $(foreach d,queens heap32 heap96 text forkshare,user/demo/$(d).lua:/demo/$(d).lua) user/demo/show.sh:/demo/show
