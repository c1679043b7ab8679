# Test programs of the guest, in /test. They print "NAME: ok" and end with 0, or "FAILED: ..." and end with 1.
TESTS_GUEST := procs memory float hostile fuzz conserve hog limits filework high kmem kgrow areas counts patterns forktree churn letgo lines logical movers shares
TEST_PROGRAMS += $(TESTS_GUEST)
$(foreach t,$(TESTS_GUEST),$(eval $(t)_SRCS := user/test/$(t).c user/test/check.c)$(eval $(t)_DEST := /test/$(t)))

# The self-check of paging reads what rmapaudit reads.
TEST_PROGRAMS += pagercheck
pagercheck_SRCS := user/test/pagercheck.c user/test/check.c user/app/audit.c user/app/tables.c user/app/app.c user/app/glass.c
pagercheck_DEST := /test/pagercheck

# busy: memory full and every server busy.
TEST_PROGRAMS += busy
busy_SRCS := user/test/busy/main.c user/test/busy/work.c user/test/check.c
busy_DEST := /test/busy

# kfuzz: a server that tests the kernel from where a server stands.
TEST_SERVERS += kfuzz
kfuzz_SRCS := $(addprefix user/test/kfuzz/,main.c calls.c world.c inject.c prot.c orphan.c) user/test/lab/lab.c
TEST_FILES += user/test/kfuzz.manifest:/etc/kfuzz.manifest

# blktest: a client of the disk driver.
TEST_SERVERS += blktest
blktest_SRCS := user/test/blktest/main.c user/test/lab/lab.c
TEST_FILES += user/test/blk.manifest:/etc/blk.manifest

# tenant: a server that has areas of vmalloc.
TEST_SERVERS += tenant
tenant_SRCS := user/test/tenant/main.c
TEST_FILES += $(OUT)/tenant.manifest:/etc/tenant.manifest
$(OUT)/tenant.manifest: user/boot.manifest user/test/tenant.manifest
	@cat $^ >$@

# kscale: the kernel with many threads, on a machine of its own.
TEST_SERVERS += kscale
kscale_SRCS := user/test/kscale/main.c user/test/lab/lab.c
TEST_FILES += user/test/kscale.manifest:/etc/kscale.manifest
