// SPDX-License-Identifier: MIT
// Where files keeps what in its own address space (its window is the whole user half).
#pragma once

#define STORE_VA    0x1000000000ul // pages of RAM files and pipes
#define STORE_PAGES 0x10000        // 256 MiB at most; the pool's limit comes first
#define BUFFERS_VA  0x2400000000ul // the clients' buffers, FILES_BUFFER_SIZE for each slot
