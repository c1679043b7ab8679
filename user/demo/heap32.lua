-- SPDX-License-Identifier: MIT
-- heap32.lua [MIB [ROUNDS]]: builds a heap of more than 32 MiB of small objects, walks it, drops it, and does it again: the second
-- time must fit in what the first one gave back. Runs on a machine with 64 MiB.
local MIB = 1024 * 1024
local SIZE = tonumber(arg[1]) or 32
local ROUNDS = tonumber(arg[2]) or 3
local NODES = 4600 * SIZE

-- The texts are longer than 40 bytes. Shorter strings Lua keeps one of each: to make one it looks at others of the same hash, older
-- ones anywhere in the heap, each of which would be a disk read in a heap that is in swap.
local LONG = ("-"):rep(30)

-- By default Lua lets garbage grow to the size of what lives, which would be 64 MiB here. Who builds once has no garbage:
-- then collections are rare, since each goes through all of a heap that may be in swap.
collectgarbage("setpause", ROUNDS > 1 and 110 or 1000)

local function build()
	local head
	local pad = {}
	for i = 0, 31 do
		pad[i] = LONG .. ("x"):rep(i)
	end
	for i = 1, NODES do
		head = { next = head, value = i, text = ("node %d %s"):format(i, pad[i % 32]) }
	end
	return head
end

-- Sum of all values, and of the lengths of all texts.
local function check(head)
	local sum, length, nodes = 0, 0, 0
	while head do
		nodes = nodes + 1
		sum = sum + head.value
		length = length + #head.text
		head = head.next
	end
	return nodes, sum, length
end

local function expected()
	local length = 0
	for i = 1, NODES do
		length = length + #tostring(i) + 6 + #LONG + i % 32
	end
	return NODES, NODES * (NODES + 1) // 2, length
end

local function round(n)
	local head = build()
	local used = collectgarbage("count") * 1024
	local nodes, sum, length = check(head)
	local want_nodes, want_sum, want_length = expected()
	assert(nodes == want_nodes and sum == want_sum and length == want_length, "the heap has changed under way")
	print(("round %d: %.1f MiB in %d objects, checksum %d"):format(n, used / MIB, 2 * nodes, sum + length))
	head = nil
	collectgarbage()
	collectgarbage()
	local left = collectgarbage("count") * 1024
	assert(left < SIZE // 16 * MIB, ("%d bytes are left after collecting"):format(left))
	return used
end

local good, why = pcall(function()
	for n = 1, ROUNDS do
		assert(round(n) >= SIZE * MIB, "the heap is smaller than it should be")
	end
end)
print(good and "OK" or "FAILED: " .. tostring(why))
os.exit(good)
