PROGRAMS += sh
sh_SRCS := $(addprefix user/app/sh/,builtin.c edit.c expand.c glob.c main.c parse.c prompt.c run.c)
