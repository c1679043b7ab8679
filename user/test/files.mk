# Test programs of the guest, in /test. They print "NAME: ok" and end with 0, or "FAILED: ..." and end with 1.
TESTS_GUEST := procs memory float hostile fuzz conserve hog filework
PROGRAMS += $(TESTS_GUEST)
$(foreach t,$(TESTS_GUEST),$(eval $(t)_SRCS := user/test/$(t).c user/test/check.c)$(eval $(t)_DEST := /test/$(t)))
