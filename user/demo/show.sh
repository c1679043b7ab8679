# SPDX-License-Identifier: MIT
# The guided show of `make demo`: what works, one thing after the other.
echo
echo "== A small kernel, and servers that are ordinary programs. These are the processes of the servers' clients:"
ps
echo
echo "== Memory: who has it, and the buddy allocator's free blocks by order (as in Linux)"
free
buddyinfo
echo
echo "== Every frame of the machine as the kernel sees it: one struct page of 32 bytes each"
page
echo
echo "== The mappings of this shell (pid $$), served page by page by the user-level server vm"
maps $$
echo
echo "== Its page tables: from an address, step by step, to the frame behind it"
vtop $$ 0x10000
echo
ptdump $$
echo
echo "== What this shell may talk to: its capabilities. There is nothing else it can name"
caps $$
echo
echo "== A real program: Lua 5.4, unmodified"
lua /demo/queens.lua && \
echo && \
echo "== A heap of 32 MiB, built and collected three times" && \
lua /demo/heap32.lua && \
echo && \
echo "== A text of megabytes in a RAM file" && \
lua /demo/text.lua && \
echo && \
echo "== fork shares pages; writing copies just the page written" && \
lua /demo/forkshare.lua && \
echo && \
echo "== A program larger than memory, paged to a swap disk (MiB; waits are faults that waited for the disk)" && \
/demo/paged && \
echo && \
echo "== What all that cost: faults by kind, and how many system calls vm made for one" && \
faults && \
uptime && \
echo && \
echo "== The kernel checks itself: all page tables against the frame table, pools, buddy" && \
selfcheck && \
echo "show: OK"
