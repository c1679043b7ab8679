-- SPDX-License-Identifier: MIT
-- The heap of heap32.lua, three times as large: for a machine with 32 MiB and a swap disk (make run MEM=32M SWAP=128M).
arg = { [0] = arg[0], "96", "1" }
dofile("/demo/heap32.lua")
