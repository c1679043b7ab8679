-- SPDX-License-Identifier: MIT
-- Runs the C program /demo/forkshare and judges its numbers: a fork must share, a write must copy what it writes and little more.
local pipe = assert(io.popen("/demo/forkshare"))
local line = pipe:read("l") or "nothing"
pipe:close()

local pages, fork, write, copies, parent, child = line:match("pages (%d+) fork (%-?%d+) write (%d+) copies (%-?%d+) parent (%a+) child (%a+)")
pages, fork, write, copies = tonumber(pages), tonumber(fork), tonumber(write), tonumber(copies)

local good, why = pcall(function()
	assert(pages, "no numbers: " .. line)
	print(("%d pages; the fork took %d frames, writing %d pages took %d"):format(pages, fork, write, copies))
	assert(parent == "good" and child == "good", "one side saw what the other wrote")
	assert(fork < pages // 8, "the fork copied")
	assert(copies >= write and copies < write + pages // 8, "writing did not copy just what was written")
end)
print(good and "OK" or "FAILED: " .. tostring(why))
os.exit(good)
